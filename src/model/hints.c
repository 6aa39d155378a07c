/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that networks have and that have no private form, by whatever name a format calls them:
 * why, and what to write instead. */
#include <ctype.h>
#include <string.h>

#include "model/graph.h"

/* `names`: in lower case without underscores, with a space on both sides. */
static const struct {
    const char *names;
    struct graph_hint hint;
} table[] = {
    {" elu selu celu gelu silu swish mish softplus softsign erf erfc logsigmoid quickgelu ",
     {"it needs exponentials of private values",
      "train with Relu, LeakyRelu or HardSwish in its place"}},
    {" sigmoid logistic tanh ",
     {"it needs exponentials of private values, which only the client can compute, at the end",
      "use HardSigmoid or a Clip inside of the network, or cut behind it with --output-node"}},
    {" softmax logsoftmax hardmax sparsemax ",
     {"it needs exponentials and a division by private values, which only the client can do, at "
      "the "
      "end",
      "cut the network before it with --output-node; weights that attend to data have no private "
      "form"}},
    {" exp log sqrt rsqrt inv reciprocal pow sin cos tan asin acos atan sinh cosh asinh acosh "
     "atanh "
     "expm1 log1p xlogy lgamma digamma reducel2 reducelogsum reducelogsumexp ",
     {"it is a curve of private values; only sums, products and Relu have a private form",
      "replace it by Square, Abs, Relu or Clip, or compute it before the network begins"}},
    {" layernormalization layernorm groupnormalization groupnorm instancenormalization "
     "meanvariancenormalization rmsnormalization l2normalization lpnormalization lrn "
     "localresponsenormalization ",
     {"it divides by a root of sums over private values",
      "train with BatchNormalization, which goes into the weights"}},
    {" lstm gru rnn lstmcell grucell blocklstm blocklstmv2 lstmblockcell cudnnrnn cudnnrnnv2 "
     "cudnnrnnv3 unidirectionalsequencelstm bidirectionalsequencelstm unidirectionalsequencernn "
     "bidirectionalsequencernn basiclstm svdf tensorlistreserve tensorlistfromtensor "
     "tensorliststack tensorlistgetitem tensorlistsetitem ",
     {"its gates are Sigmoid and Tanh of private values at every step",
      "use convolutions over time, or unroll it by hand with HardSigmoid gates"}},
    {" loop scan if while statelesswhile statelessif case statelesscase enter exit nextiteration "
     "loopcond call callonce sequencemap sequenceempty sequenceinsert sequenceat sequenceconstruct "
     "splittosequence concatfromsequence ",
     {"what a network does must not depend on private values, and loops are not unrolled",
      "export it with a fixed number of steps and without branches"}},
    {" floor ceil round rint trunc mod fmod floormod floordiv cast quantizelinear "
     "dynamicquantizelinear quantize quantizev2 fakequantwithminmaxvars "
     "fakequantwithminmaxvarsperchannel fakequantwithminmaxargs isnan isinf bitshift ",
     {"it rounds or compares private values, which has no private form where data go on",
      "leave it out, or export the network in floats; the planner chooses the fixed-point bits"}},
    {" qlinearconv qlinearmatmul convinteger matmulinteger dequantizelinear dequantize "
     "quantizedconv2d quantizedmatmul ",
     {"quantized tensors are read with constant scales, of 8 or 16 bits, one for all values or one "
      "a "
      "channel",
      "quantize it so, or export the network in floats"}},
    {" equal notequal less lessequal lessorequal greater greaterequal greaterorequal not and or "
     "xor "
     "logicalnot logicaland logicalor where select selectv2 nonzero compress ",
     {"a choice by private values has no private form but Relu, Maximum and Minimum",
      "say it with Maximum, Minimum, Relu or Clip"}},
    {" div realdiv truncatediv ",
     {"only constants can be divided by", "multiply by a constant instead"}},
    {" matmul batchmatmul batchmatmulv2 batchmatmulv3 gemm einsum attention multiheadattention "
     "fusedmatmul ",
     {"one operand of a matrix product must be a constant",
      "products of two private matrices, as in attention, have no private form; sums over Mul of "
      "values have"}},
    {" topk topkv2 sort argmin nonmaxsuppression nonmaxsuppressionv3 nonmaxsuppressionv4 "
     "nonmaxsuppressionv5 combinednonmaxsuppression unique uniquev2 cumsum cumprod ",
     {"its result's order or size depends on private values",
      "cut the network before it with --output-node; --reveal top-K tells the best classes"}},
    {" gathernd scatternd scatterelements gatherelements scatterupdate "
     "tensorscatterupdate hashtablelookup lookuptablefindv2 onehot ",
     {"private positions cannot be looked up",
      "give the one-hot vectors or the looked-up values as the input"}},
    {" stringnormalizer stringsplit stringsplitv2 regexreplace staticregexreplace stringlower "
     "stringjoin substr tfidfvectorizer parseexample parseexamplev2 parsesingleexample decoderaw "
     "decodejpeg decodepng decodebase64 decodeimage readfile hashtablev2 variablev2 varhandleop "
     "readvariableop restorev2 savev2 iteratorv2 iteratorgetnext ",
     {"it reads files, variables or text, which no private run has",
      "start the network behind it with --input-node NAME:SHAPE, and freeze variables "
      "(`mp2ml convert`)"}},
    {" resize resizebilinear resizebicubic resizearea scaleandtranslate upsample cropandresize "
     "roialign maxroipool "
     "gridsample gridsampler affinegrid ",
     {"pictures are resized to their nearest neighbours or linearly between two, at places that "
      "are "
      "known",
      "resize in mode nearest or linear, without antialias, or with a ConvTranspose"}},
    {" conv convtranspose conv2d conv2dbackpropinput conv3d conv3dbackpropinputv2 averagepool3d "
     "avgpool3d maxpool3d maxunpool lppool globallppool deformconv ",
     {"windows slide along one to three axes, with constant weights",
      "write it as a convolution or pooling over two axes"}},
    {" randomnormal randomuniform randomnormallike randomuniformlike randomstandardnormal "
     "truncatednormal multinomial bernoulli dropout statelessrandomnormalv2 ",
     {"random numbers are there for training",
      "export the network for inference, or cut behind it with --output-node"}},
    {" treeensembleclassifier treeensembleregressor treeensemble svmclassifier svmregressor "
     "gaussianprocess normalizer kmeans onehotencoder labelencoder imputer binarizer "
     "discretization ",
     {"it is no network: its comparisons, kernels or divisions have no private form",
      "serve a neural or linear model, and prepare the features at the client"}},
    {" fusedconv fusedgemm nhwcconv nhwcfusedconv nhwcmaxpool ",
     {"onnxruntime made it while it optimised the network for one machine",
      "give the file from before that"}},
    {" arrayfeatureextractor zipmap categorymapper stringconcat ",
     {"it gives labels or probabilities their names, which has no private form",
      "cut the network before it with --output-node, and give the names with --classes"}},
    {" det inverse matrixinverse matrixdeterminant cholesky svd qr eig fft rfft irfft fft2d rfft2d "
     "stft dft ",
     {"it is computed with divisions or complex numbers",
      "compute it before the network begins; a fixed transform can be a MatMul with a constant"}},
};

/* The name in lower case without underscores, between spaces. */
static bool spoken(char *out, size_t size, const char *op)
{
    size_t used = 0;
    out[used++] = ' ';
    for (; *op != '\0'; op++) {
        if (*op == '_')
            continue;
        if (used + 3 > size || *op == ' ')
            return false;
        out[used++] = (char)tolower((unsigned char)*op);
    }
    out[used++] = ' ';
    out[used] = '\0';
    return used > 2;
}

struct graph_hint graph_hint(const char *op)
{
    static const struct graph_hint none = {NULL, NULL};
    char word[64];
    if (!spoken(word, sizeof word, op))
        return none;
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (strstr(table[k].names, word) != NULL)
            return table[k].hint;
    return none;
}
