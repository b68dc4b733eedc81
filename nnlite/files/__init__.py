"""Files: models, and documents of plain data and arrays, in hardened safetensors."""
