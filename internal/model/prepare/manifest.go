package prepare

// Names of the files in a prepared folder.
const (
	EncoderFile    = "encoder.onnx"
	EncoderWeights = "encoder.weights"
	DecoderFile    = "decoder.onnx"
	DecoderWeights = "decoder.weights"
	ManifestFile   = "prepared.json"
)

// Recipe is the version of the graphs this package writes. It changes with every change to their bytes.
const Recipe = 3

// Manifest says what a prepared folder of Moonshine holds and what it was made from. The format is
// docs/formats/prepared-model.md.
type Manifest struct {
	Record
	// Embedding says where tokens are looked up.
	Embedding EmbeddingPlace `json:"embedding"`
}

// The roles of the two graphs in a manifest.
const (
	roleEncoder = "encoder"
	roleDecoder = "decoder"
)

// ReadManifest reads the manifest of a prepared folder. It fails as ReadRecord does.
func ReadManifest(dir string) (Manifest, error) { return ReadRecord[Manifest](dir) }

// Check compares the prepared model in dir with its manifest and with the originals it should come from, byte by byte:
// about 70 MB are hashed. It fails with ErrMissing, ErrStale, ErrCorrupt or ErrForeign in the chain, or with the error
// of reading an original. The zero Options mean the variant of this processor.
func Check(dir string, src Source, opt Options) error { return check(dir, src, opt, Identify) }

// CheckSizes is Check by the sizes of files alone, which costs microseconds. At every start, after a Check at
// installation, it is enough to find a truncated or missing file and a changed recipe.
func CheckSizes(dir string, src Source, opt Options) error { return check(dir, src, opt, Measure) }

func check(dir string, src Source, opt Options, identify Identifier) error {
	m, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	variant, err := opt.Choose()
	if err != nil {
		return err
	}
	return m.Check(dir, Expected{
		Recipe: Recipe, Variant: variant,
		Originals: []Original{{roleEncoder, src.Encoder}, {roleDecoder, src.Decoder}},
		Prepared:  []string{EncoderFile, EncoderWeights, DecoderFile, DecoderWeights},
	}, identify)
}
