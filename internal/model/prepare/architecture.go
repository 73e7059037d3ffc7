package prepare

// The architecture of Moonshine tiny, the one this package prepares. Sources: Jeffries et al., "Moonshine:
// Speech Recognition for Live Transcription and Voice Commands", 2024 (arXiv:2410.15608), and the published
// graphs themselves.
const (
	layers     = 6   // in the encoder and in the decoder
	width      = 288 // of the residual stream
	heads      = 8   // of every attention
	headWidth  = 36  // width / heads
	rotated    = 32  // of the headWidth, turned by the rotary embedding in interleaved pairs
	vocabulary = 32768

	encoderMLP = 1152 // inner width, GELU
	decoderMLP = 1152 // inner width, of values and of gates each, SiLU

	normEpsilon = 1e-5 // of every layer and group norm
)

// The convolution stem: three convolutions without padding turn samples of 16 kHz into frames of 24 ms.
const (
	conv1Taps, conv1Stride, conv1Out = 127, 64, width
	conv2Taps, conv2Stride, conv2Out = 7, 3, 2 * width
	conv3Taps, conv3Stride, conv3Out = 3, 2, width
)

// Limits of the prepared graphs, set by the length of their rotary tables.
const (
	// maxFrames is the most encoder frames, 41.6 a second: 49 s of audio.
	maxFrames = 2048
	// maxTokens is the most tokens in one decode, the start token included.
	maxTokens = 512
)

// MinSamples is the length to which the encoder graph pads shorter audio with silence. Under 895 samples
// the stem gives no frame at all, and an attention over nothing ends the process with SIGFPE.
const MinSamples = 1024

// cacheHead is the width of a head in the decoder's self-attention: headWidth padded with zeros, because ONNX Runtime's
// GroupQueryAttention supports only heads of a multiple of 16 elements. The zeros change nothing: they add nothing to a
// dot product, and the scale is given explicitly.
const cacheHead = 48

// alignmentHead names an attention head of the decoder.
type alignmentHead struct{ layer, head int }

// alignmentHeads are the cross-attention heads that show where in the audio a token is, in the order of the decoder's
// output "alignment". They were chosen greedily out of all 48 on spoken sentences with known word times.
// docs/formats/prepared-model.md says which rows of each to use.
var alignmentHeads = [...]alignmentHead{{0, 2}, {0, 3}, {1, 3}, {3, 0}, {5, 6}}

// Frames returns how many encoder frames the graph computes from n samples, padding included.
func Frames(n int) int {
	n = max(n, MinSamples)
	for _, c := range [...]struct{ taps, stride int }{
		{conv1Taps, conv1Stride}, {conv2Taps, conv2Stride}, {conv3Taps, conv3Stride},
	} {
		n = (n-c.taps)/c.stride + 1
	}
	return n
}
