"""ONNX files: a model for other programs, and a plain net of other programs as a model.

`export` writes what `onnxruntime` and others run without nnlite, and without Python if need be: a model, an
estimator of `nnlite.sklearn`, or a Pipeline that ends in one. `load` reads nets that PyTorch, Keras and
scikit-learn have written by way of their own exporters. For a file to be read by nnlite again, use
`Sequential.save`: it holds every layer with all its arguments.

Both need the package ``onnx``, which is imported when they are called.

Notes
-----
What a layer becomes, and what `load` takes for it:

=========================  ===============================================================
Dense                      Gemm; also MatMul, and MatMul and Add or Sub
Standardize                Sub and Div; also any of Add, Sub, Mul, Div with a constant
BatchNorm                  BatchNormalization, with the running statistics
Flatten, Reshape           Reshape; also Flatten
Permute                    Transpose
Conv2D, Conv1D             Transpose, Conv, Transpose; in float64 Pad, Gather, Einsum and Add
MaxPool, AveragePool       Transpose, MaxPool or AveragePool, Transpose; in float64 as above
GlobalAveragePool          Transpose, GlobalAveragePool and Reshape; also ReduceMean; with
                           padding Where, Einsum and Div by the number of steps
GlobalMaxPool              Transpose, GlobalMaxPool and Reshape
LayerNorm                  LayerNormalization, of version 17 of the operators; also its formula
Residual, Add              what its layers are, and Add; also Sum; up to 32 inside of each other
Multiply                   what its branches are, and Mul
Concatenate                what its branches are, and Concat
Columns                    Gather; also Slice and Split; `load` gives numbers for names
TimeDistributed            Reshape, what its layers are, Reshape; with padding also Where
SimpleRNN, GRU, LSTM       Transpose, RNN, GRU or LSTM, Transpose, Reshape; float32 only
SelfAttention              MatMul, Add and Reshape of each part, MatMul, Mul, Softmax, MatMul
PositionEmbedding          Add of a row for each step that a sample has
TokenEmbedding             Round and Gather; also Gather alone
Sequential in another      what its layers are; `load` gives them in one row with the others
ParameterGroup             the same; what it asks for is for training, and stays behind
Dropout                    nothing, as in prediction; also Dropout
ReLU, Tanh, Sigmoid        Relu, Tanh, Sigmoid
LeakyReLU, ELU, Softplus   LeakyRelu, Elu, Softplus; in float64 their formulas
Softmax, LogSoftmax        Softmax, LogSoftmax
SELU                       Selu; in float64 its formula
ReLU6, Clip                Clip; also Min and Max
HardSigmoid                Add, Clip and Div; also HardSigmoid with the slope 1/6
HardSwish                  the same and Mul; also HardSwish
PReLU                      PRelu; in float64 two Relu and Sub
SiLU                       Sigmoid and Mul
Mish                       Softplus, Tanh and Mul
RMSNorm                    Mul, MatMul, Add, Sqrt, Div and Mul; also with ReduceMean
GELU                       its formula, with Erf or Tanh; also Gelu
Step                       Greater and Cast
Embedding                  Round, Gather and Concat; `load` takes one column, as TokenEmbedding
preprocessing              IsNaN, Where and LabelEncoder (ai.onnx.ml); `load` does not take it
an estimator's ending      Softmax or Sigmoid, ArgMax and Gather; of a regressor Mul and Add
=========================  ===============================================================

Of ai.onnx.ml `load` takes Scaler (a Standardize), Normalizer by the L2 norm (an RMSNorm that is not learned),
Binarizer (a Step behind a Standardize), LinearRegressor and LinearClassifier (Dense), FeatureVectorizer,
ArrayFeatureExtractor (Columns) and ZipMap; an Imputer of NaN is left out with a warning. The probability of
one class of two that is made of the other's, ``[1 - p, p]``, is a softmax of two outputs.

ONNX has the channels of images in front, nnlite at the end. A Transpose is written where one order goes
over into the other, and none between layers that follow each other. A net that is read takes samples as the
file does: one of PyTorch begins with Permute. Where images are flattened in front of a Dense layer, that gets
its rows in the order that they have here.

Steps that are padding are found by Equal, Not and MatMul; a recurrent net gets lengths of them. Where a
recurrent net has lengths of another origin, begins with another state than 0, has other activations or resets
before the product (GRU without linear_before_reset), `load` refuses it. A token whose row is 0 comes back as
the one for padding, if there is just one.

Factors of a feature may be negative. Where one is 0, `load` makes a frozen Dense
layer with the factors on its diagonal, of at most 1,024 features. Nodes that change nothing in prediction
are left out, wherever they stand: Identity, Cast to the same type, Reshape and its like to the same shape,
Transpose there and back, a product with 1, a sum with 0. Sizes are computed by Shape, Gather, Slice, Concat
and arithmetic, the number of rows among them, as long as they only say a shape. Dropout inside a formula is
put behind its layer, and that which begins a Residual in front of it. Ways that part must meet again before
they meet others: what two ways use that do not part there is refused. A product with a constant over the
last axis of several is a layer for each step.

Programs that run ONNX files have no Conv, AveragePool, Elu, Softplus and Erf for float64. The formulas are
exact for all but the last; Erf is computed in float32, so that GELU is exact to 7 digits there.
"""

from nnlite.exchange.onnx.graph import Graph
from nnlite.exchange.onnx.reading import load
from nnlite.exchange.onnx.writing import export

__all__ = ["Graph", "export", "load"]
