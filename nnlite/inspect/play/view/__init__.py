"""What is seen and touched in the playground, in JavaScript."""
