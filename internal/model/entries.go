package model

import (
	"slices"

	"github.com/scout-speech/scout/internal/model/ct2"
)

// SHA-256 sums computed here from real bytes: the two graphs as the npm package
// @moonshine-ai/moonshine-js 0.1.29 ships them (the same bytes as the publisher's download), and the
// token table as this package derives it.
const (
	moonshineTinyEncoderSHA256 = "c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a"
	moonshineTinyDecoderSHA256 = "eed87831c3a6103534aae7d47a5d485025c659a1323901513961c39fe8a1a367"
	moonshineTokensSHA256      = "0547fb182949fbf8ae2ae046de2c3da652c9c6b7e87b25287bd53ddc32ef10a6"
	moonshineTokensBytes       = 506922
)

const (
	backendMoonshine = "moonshine"
	backendSherpa    = "sherpa"
	backendWhisper   = "whisper"
)

const (
	megabyte = 1_000_000
	kilobyte = 1_000
)

// mainBranch is the newest revision. It is used if no revision is known for certain. The first pull then records what
// it finds in models.lock.
const mainBranch = "main"

// moonshineONNXRevision is the revision of onnx-community/moonshine-tiny-ONNX that has the bytes of the sums above.
const moonshineONNXRevision = "a6da1241cd305dcd64eab1edbd615f2bb9aabb95"

// Catalogue returns the models that Scout can fetch, in the order in which they are listed.
// The caller owns the slice.
func Catalogue() []Entry {
	return slices.Concat([]Entry{moonshineTiny(), moonshineBase()}, whispers(), exports())
}

// huggingFace returns the address of one file in a repository of Hugging Face at a revision.
func huggingFace(repository, revision, path string) string {
	return "https://huggingface.co/" + repository + "/resolve/" + revision + "/" + path
}

// moonshineTokens returns the token table that all English Moonshine models share: Llama's 32,000 pieces
// and 768 specials.
func moonshineTokens(repository string) File {
	return File{
		Path: "tokens.txt", Role: RoleTokens, SizeBytes: moonshineTokensBytes, SHA256: moonshineTokensSHA256,
		Sources: []Source{
			{URL: huggingFace(repository, mainBranch, "tokenizer.json"), Derive: DeriveTokenizerJSON},
			{URL: huggingFace("onnx-community/moonshine-tiny-ONNX", moonshineONNXRevision, "tokenizer.json"), Derive: DeriveTokenizerJSON},
		},
	}
}

func moonshineTiny() Entry {
	// The same bytes are in three places, the second at a fixed revision.
	sources := func(path, elsewhere string) []Source {
		return []Source{
			{URL: huggingFace("UsefulSensors/moonshine", mainBranch, "onnx/merged/tiny/quantized/"+path)},
			{URL: huggingFace("onnx-community/moonshine-tiny-ONNX", moonshineONNXRevision, "onnx/"+elsewhere)},
			{URL: "https://download.moonshine.ai/model/tiny/quantized/" + path},
		}
	}
	return Entry{
		ID: "moonshine-tiny-en", Name: "Moonshine tiny (English)", Family: Moonshine,
		Languages: []string{"en"}, Licence: "MIT", Default: true, Backend: backendMoonshine,
		Files: []File{
			{
				Path: "encoder_model.onnx", Role: RoleEncoder, SizeBytes: 7_937_661, SHA256: moonshineTinyEncoderSHA256,
				Sources: sources("encoder_model.onnx", "encoder_model_quantized.onnx"),
			},
			{
				Path: "decoder_model_merged.onnx", Role: RoleMergedDecoder, SizeBytes: 20_243_286, SHA256: moonshineTinyDecoderSHA256,
				Sources: sources("decoder_model_merged.onnx", "decoder_model_merged_quantized.onnx"),
			},
			moonshineTokens("UsefulSensors/moonshine-tiny"),
		},
	}
}

func moonshineBase() Entry {
	// The project whose sums these are downloaded them from the publisher, and its sums of tiny are those above.
	sources := func(path, elsewhere string) []Source {
		return []Source{
			{URL: huggingFace("UsefulSensors/moonshine", mainBranch, "onnx/merged/base/quantized/"+path)},
			{URL: huggingFace("onnx-community/moonshine-base-ONNX", mainBranch, "onnx/"+elsewhere)},
			{URL: "https://download.moonshine.ai/model/base/quantized/" + path},
		}
	}
	return Entry{
		ID: "moonshine-base-en", Name: "Moonshine base (English)", Family: Moonshine,
		Languages: []string{"en"}, Licence: "MIT", Backend: backendSherpa,
		Files: []File{
			{
				Path: "encoder_model.onnx", Role: RoleEncoder, SizeBytes: 20_513_063,
				SHA256:  "1dd9ab0a7f987113d30affcba5a068d11c8f90fa0223caa3e491ade431ad9751",
				Sources: sources("encoder_model.onnx", "encoder_model_quantized.onnx"),
			},
			{
				Path: "decoder_model_merged.onnx", Role: RoleMergedDecoder, SizeBytes: 42_498_870,
				SHA256:  "cc9f3cd6698a369c6008b41aa60aa3fb3322e7f03c9bdf19d8e6b7200afca4f3",
				Sources: sources("decoder_model_merged.onnx", "decoder_model_merged_quantized.onnx"),
			},
			moonshineTokens("UsefulSensors/moonshine-base"),
		},
	}
}

// Sums of Whisper's files, as converted for CTranslate2 by the authors of faster-whisper. Several projects that pin the
// same revisions agree on them. Scout's authors computed that of the configuration of base from a copy.
const (
	whisperTokenizerSHA256   = "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
	whisperTokenizerBytes    = 2_203_239
	whisperBaseConfigSHA256  = "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"
	whisperBaseSHA256        = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
	whisperSmallConfigSHA256 = "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"
	whisperSmallSHA256       = "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"

	// What make run installs is a later conversion of the same weights. These sums were computed from the real bytes.
	packagedWhisperBaseSHA256      = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
	packagedWhisperTokenizerSHA256 = "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4"
)

// whispers returns OpenAI's models in the format of CTranslate2, as faster-whisper uses them. Sizes without a sum are
// those that the repositories show.
func whispers() []Entry {
	english, many, latest := []string{"en"}, whisperLanguages(), append(whisperLanguages(), "yue")
	tokenizer, config := Sum{whisperTokenizerBytes, whisperTokenizerSHA256}, Sum{SizeBytes: 2_300}
	size := func(bytes int64) Sum { return Sum{SizeBytes: bytes} }
	rows := []struct {
		id, name, repository, revision string
		languages                      []string
		weights, config, tokenizer     Sum
	}{
		{
			"whisper-base", "Whisper base", "Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", many,
			Sum{145_217_532, whisperBaseSHA256},
			Sum{2_309, whisperBaseConfigSHA256},
			tokenizer,
		},
		{"whisper-tiny", "Whisper tiny", "Systran/faster-whisper-tiny", mainBranch, many, size(75_538_270), config, size(whisperTokenizerBytes)},
		{
			"whisper-small", "Whisper small", "Systran/faster-whisper-small", "536b0662742c02347bc0e980a01041f333bce120", many,
			Sum{483_546_902, whisperSmallSHA256},
			Sum{2_370, whisperSmallConfigSHA256},
			tokenizer,
		},
		{"whisper-medium", "Whisper medium", "Systran/faster-whisper-medium", mainBranch, many, size(1_527_906_378), config, size(whisperTokenizerBytes)},
		{"whisper-large-v3", "Whisper large-v3", "Systran/faster-whisper-large-v3", mainBranch, latest, size(3_087 * megabyte), config, size(2_481 * kilobyte)},
		{"whisper-large-v3-turbo", "Whisper large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", mainBranch, latest, size(1_618 * megabyte), config, size(2_710 * kilobyte)},
		{"whisper-tiny-en", "Whisper tiny.en", "Systran/faster-whisper-tiny.en", mainBranch, english, size(75_500 * kilobyte), config, size(2_128 * kilobyte)},
		{"whisper-base-en", "Whisper base.en", "Systran/faster-whisper-base.en", mainBranch, english, size(145_200 * kilobyte), config, size(2_128 * kilobyte)},
		{"whisper-small-en", "Whisper small.en", "Systran/faster-whisper-small.en", mainBranch, english, size(483_500 * kilobyte), config, size(2_128 * kilobyte)},
		{"whisper-medium-en", "Whisper medium.en", "Systran/faster-whisper-medium.en", mainBranch, english, size(1_527_900 * kilobyte), config, size(2_128 * kilobyte)},
	}
	entries := make([]Entry, 0, len(rows))
	for _, row := range rows {
		file := func(path string, role Role, sum Sum) File {
			return File{
				Path: path, Role: role, SizeBytes: sum.SizeBytes, SHA256: sum.SHA256,
				Sources: []Source{{URL: huggingFace(row.repository, row.revision, path)}},
			}
		}
		entries = append(entries, Entry{
			ID: row.id, Name: row.name, Family: Whisper, Languages: slices.Clone(row.languages), Licence: "MIT", Backend: backendWhisper,
			Files: []File{
				file(ct2.WeightsName, RoleWeights, row.weights),
				file(ct2.ConfigName, RoleConfig, row.config),
				file(ct2.TokenizerName, RoleTokenizer, row.tokenizer),
			},
		})
	}
	base := &entries[0]
	base.Files[0].Also = []Sum{{145_217_607, packagedWhisperBaseSHA256}}
	base.Files[2].Also = []Sum{{3_930_462, packagedWhisperTokenizerSHA256}}
	return entries
}

// exports returns models that were exported for sherpa-onnx. Their sums are those of the named revisions: at least four
// independent projects pin each of them, and none of these contradicts (docs/adr/0006-models.md).
func exports() []Entry {
	type file struct {
		path string
		role Role
		Sum
	}
	rows := []struct {
		id, name             string
		family               Family
		languages            []string
		licence              string
		repository, revision string
		files                []file
	}{
		{
			"parakeet-tdt-0.6b-v2-int8", "Parakeet TDT 0.6B v2 (int8)", Parakeet,
			[]string{"en"},
			"CC-BY-4.0",
			"csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8", "1ab9323565ddb038682214b292f588070a538ce2",
			[]file{
				{"encoder.int8.onnx", RoleEncoder, Sum{652_184_296, "a32b12d17bbbc309d0686fbbcc2987b5e9b8333a7da83fa6b089f0a2acd651ab"}},
				{"decoder.int8.onnx", RoleDecoder, Sum{7_257_753, "b6bb64963457237b900e496ee9994b59294526439fbcc1fecf705b31a15c6b4e"}},
				{"joiner.int8.onnx", RoleJoiner, Sum{1_739_080, "7946164367946e7f9f29a122407c3252b680dbae9a51343eb2488d057c3c43d2"}},
				{"tokens.txt", RoleTokens, Sum{9_384, "ec182b70dd42113aff6c5372c75cac58c952443eb22322f57bbd7f53977d497d"}},
			},
		},
		{
			"parakeet-tdt-0.6b-v3-int8", "Parakeet TDT 0.6B v3 (int8)", Parakeet,
			[]string{
				"bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it", "lv", "lt", "mt", "pl", "pt",
				"ro", "sk", "sl", "es", "sv", "ru", "uk",
			},
			"CC-BY-4.0",
			"csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8", "2bda32ec70b097a55adaa07d9a7173915b43cc78",
			[]file{
				{"encoder.int8.onnx", RoleEncoder, Sum{652_184_281, "acfc2b4456377e15d04f0243af540b7fe7c992f8d898d751cf134c3a55fd2247"}},
				{"decoder.int8.onnx", RoleDecoder, Sum{11_845_275, "179e50c43d1a9de79c8a24149a2f9bac6eb5981823f2a2ed88d655b24248db4e"}},
				{"joiner.int8.onnx", RoleJoiner, Sum{6_355_277, "3164c13fc2821009440d20fcb5fdc78bff28b4db2f8d0f0b329101719c0948b3"}},
				{"tokens.txt", RoleTokens, Sum{93_939, "d58544679ea4bc6ac563d1f545eb7d474bd6cfa467f0a6e2c1dc1c7d37e3c35d"}},
			},
		},
		{
			"parakeet-unified-en-int8", "Parakeet Unified 0.6B (English, int8)", Parakeet,
			[]string{"en"},
			"NVIDIA Open Model License",
			"csukuangfj2/sherpa-onnx-nemo-parakeet-unified-en-0.6b-int8-non-streaming", "8c3a10fb13408c7a7054f6898958bf1c64a8d6c7",
			[]file{
				{"encoder.int8.onnx", RoleEncoder, Sum{654_040_552, "6716910b7a0833997fec7a410494c995d70124001a0e9b66d6370d6aced577e0"}},
				{"decoder.int8.onnx", RoleDecoder, Sum{7_257_753, "a5e223392c90e75f8144cdb5eb95af7625db389e39edef2bd1a9c872b3298fe6"}},
				{"joiner.int8.onnx", RoleJoiner, Sum{1_735_860, "869f43f7d24595c55581ad3bf249a935fb8a71389fbdaa7504b9f46f93140f8a"}},
				{"tokens.txt", RoleTokens, Sum{8_952, "dc0b4584ab2e4ddbf888425c076c61b736e7356a015250db7d307e6f1a8188ff"}},
			},
		},
		{
			"canary-180m-flash-int8", "Canary 180M flash (int8)", Canary,
			[]string{"en", "es", "de", "fr"},
			"CC-BY-4.0",
			"csukuangfj/sherpa-onnx-nemo-canary-180m-flash-en-es-de-fr-int8", "9077164e0d3dd1d5353743e89ceaa1d3a770838c",
			[]file{
				{"encoder.int8.onnx", RoleEncoder, Sum{132_678_643, "7a75b4e2a5857a6dcc0819503bbe3fad66943db4a3ccf21d3f27c633667d303f"}},
				{"decoder.int8.onnx", RoleDecoder, Sum{74_437_848, "e41a2ab9c0c2fe81a1e8ade5a45fb02a74bc4db7d1f91b89a54a25e2cf79cba2"}},
				{"tokens.txt", RoleTokens, Sum{53_555, "2dae6fc7815f9640645e0c765522b278ee0cef49b482d91f6913e334628d3e77"}},
			},
		},
		{
			"sensevoice-small-int8", "SenseVoice small (int8)", SenseVoice,
			[]string{"zh", "en", "ja", "ko", "yue"},
			"FunASR Model License 1.1",
			"csukuangfj/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17", "2365baeacb507f821a0c8120fcee3d484dba7a07",
			[]file{
				{"model.int8.onnx", RoleModel, Sum{239_233_841, "c71f0ce00bec95b07744e116345e33d8cbbe08cef896382cf907bf4b51a2cd51"}},
				{"tokens.txt", RoleTokens, Sum{315_894, "f449eb28dc567533d7fa59be34e2abca8784f771850c78a47fb731a31429a1dc"}},
			},
		},
	}
	entries := make([]Entry, len(rows))
	for i, row := range rows {
		e := Entry{ID: row.id, Name: row.name, Family: row.family, Languages: row.languages, Licence: row.licence, Backend: backendSherpa}
		for _, f := range row.files {
			e.Files = append(e.Files, File{
				Path: f.path, Role: f.role, SizeBytes: f.SizeBytes, SHA256: f.SHA256,
				Sources: []Source{{URL: huggingFace(row.repository, row.revision, f.path)}},
			})
		}
		entries[i] = e
	}
	return entries
}

// whisperLanguages returns the 99 languages of the multilingual models (tokenizer.py of openai/whisper, in its order).
func whisperLanguages() []string {
	return []string{
		"en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it", "id", "hi", "fi", "vi",
		"he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur", "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk",
		"te", "fa", "lv", "bn", "sr", "az", "sl", "kn", "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw",
		"gl", "mr", "pa", "si", "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo",
		"ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su",
	}
}
