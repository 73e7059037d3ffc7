package model

import "slices"

// SHA-256 sums computed from real bytes: the two graphs as the npm package
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
	entries := []Entry{moonshineTiny(), moonshineBase()}
	entries = append(entries, whispers()...)
	return append(entries, parakeetV2(), parakeetV3(), senseVoiceSmall())
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
		Languages: []string{"en"}, Licence: "MIT", Tested: true, Default: true, Backend: backendMoonshine,
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
	address := func(path string) []Source {
		return []Source{{URL: huggingFace("UsefulSensors/moonshine", mainBranch, "onnx/merged/base/quantized/"+path)}}
	}
	return Entry{
		ID: "moonshine-base-en", Name: "Moonshine base (English)", Family: Moonshine,
		Languages: []string{"en"}, Licence: "MIT", Backend: backendSherpa,
		Files: []File{
			{Path: "encoder_model.onnx", Role: RoleEncoder, SizeBytes: 20_500 * kilobyte, Sources: address("encoder_model.onnx")},
			{Path: "decoder_model_merged.onnx", Role: RoleMergedDecoder, SizeBytes: 42_500 * kilobyte, Sources: address("decoder_model_merged.onnx")},
			moonshineTokens("UsefulSensors/moonshine-base"),
		},
	}
}

// whispers returns OpenAI's models, exported and quantised to int8 for sherpa-onnx by its authors. The sizes come from
// the pages of the repositories.
func whispers() []Entry {
	english, many := []string{"en"}, whisperLanguages()
	table := []struct {
		id, name, repository, revision, prefix string
		languages                              []string
		encoderMB, decoderMB                   float64
	}{
		{"whisper-tiny-en", "Whisper tiny.en", "tiny.en", mainBranch, "tiny.en", english, 12.9, 89.9},
		{"whisper-base-en", "Whisper base.en", "base.en", mainBranch, "base.en", english, 29.1, 131},
		{"whisper-small-en", "Whisper small.en", "small.en", mainBranch, "small.en", english, 112, 262},
		{"whisper-medium-en", "Whisper medium.en", "medium.en", mainBranch, "medium.en", english, 374, 571},
		{"whisper-tiny", "Whisper tiny", "tiny", mainBranch, "tiny", many, 12.9, 89.9},
		{"whisper-base", "Whisper base", "base", mainBranch, "base", many, 29.1, 131},
		{"whisper-small", "Whisper small", "small", mainBranch, "small", many, 112, 262},
		{"whisper-medium", "Whisper medium", "medium", mainBranch, "medium", many, 374, 571},
		{"whisper-large-v3", "Whisper large-v3", "large-v3", mainBranch, "large-v3", append(whisperLanguages(), "yue"), 767, 1010},
		{
			"whisper-large-v3-turbo", "Whisper large-v3-turbo", "turbo", "2ca6ff69fc878651b770880507669577ac41c2ff", "turbo",
			append(whisperLanguages(), "yue"), 674.7, 361.1,
		},
	}
	entries := make([]Entry, 0, len(table))
	for _, row := range table {
		file := func(role Role, name string, size float64) File {
			path := row.prefix + "-" + name
			return File{
				Path: path, Role: role, SizeBytes: int64(size * megabyte),
				Sources: []Source{{URL: huggingFace("csukuangfj/sherpa-onnx-whisper-"+row.repository, row.revision, path)}},
			}
		}
		tokens := 0.817
		if EnglishOnly(row.languages) {
			tokens = 0.836
		}
		entries = append(entries, Entry{
			ID: row.id, Name: row.name, Family: Whisper, Languages: slices.Clone(row.languages), Licence: "MIT", Backend: backendSherpa,
			Files: []File{
				file(RoleEncoder, "encoder.int8.onnx", row.encoderMB),
				file(RoleDecoder, "decoder.int8.onnx", row.decoderMB),
				file(RoleTokens, "tokens.txt", tokens),
			},
		})
	}
	return entries
}

// parakeetKB are the sizes of files that differ between versions, in kilobytes.
type parakeetKB struct{ decoder, joiner, tokens int64 }

func parakeet(id, name, repository string, languages []string, sizes parakeetKB) Entry {
	file := func(path string, role Role, size int64) File {
		return File{
			Path: path, Role: role, SizeBytes: size,
			Sources: []Source{{URL: huggingFace(repository, mainBranch, path)}},
		}
	}
	return Entry{
		ID: id, Name: name, Family: Parakeet, Languages: languages, Licence: "CC-BY-4.0", Backend: backendSherpa,
		Files: []File{
			file("encoder.int8.onnx", RoleEncoder, 652_200*kilobyte),
			file("decoder.int8.onnx", RoleDecoder, sizes.decoder*kilobyte),
			file("joiner.int8.onnx", RoleJoiner, sizes.joiner*kilobyte),
			file("tokens.txt", RoleTokens, sizes.tokens*kilobyte),
		},
	}
}

func parakeetV2() Entry {
	return parakeet("parakeet-tdt-0.6b-v2-int8", "Parakeet TDT 0.6B v2 (int8)",
		"csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v2-int8", []string{"en"}, parakeetKB{7_200, 1_800, 10})
}

func parakeetV3() Entry {
	return parakeet("parakeet-tdt-0.6b-v3-int8", "Parakeet TDT 0.6B v3 (int8)",
		"csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8", []string{
			"bg", "hr", "cs", "da", "nl", "en", "et", "fi", "fr", "de", "el", "hu", "it", "lv", "lt", "mt", "pl", "pt",
			"ro", "sk", "sl", "es", "sv", "ru", "uk",
		}, parakeetKB{11_845, 6_355, 94})
}

func senseVoiceSmall() Entry {
	const repository = "csukuangfj/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17"
	return Entry{
		ID: "sensevoice-small-int8", Name: "SenseVoice small (int8)", Family: SenseVoice,
		Languages: []string{"zh", "en", "ja", "ko", "yue"}, Licence: "FunASR Model License 1.1", Backend: backendSherpa,
		Files: []File{
			{
				Path: "model.int8.onnx", Role: RoleModel, SizeBytes: 239 * megabyte,
				Sources: []Source{{URL: huggingFace(repository, mainBranch, "model.int8.onnx")}},
			},
			{
				Path: "tokens.txt", Role: RoleTokens, SizeBytes: 316 * kilobyte,
				Sources: []Source{{URL: huggingFace(repository, mainBranch, "tokens.txt")}},
			},
		},
	}
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
