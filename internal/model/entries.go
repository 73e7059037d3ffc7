package model

import (
	"slices"

	"github.com/scout-speech/scout/internal/model/ct2"
)

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
	entries := []Entry{moonshineTiny(), moonshineBase()}
	entries = append(entries, whispers()...)
	return append(entries, parakeetV2(), parakeetV3(), canaryFlash(), senseVoiceSmall())
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

func canaryFlash() Entry {
	const repository = "csukuangfj/sherpa-onnx-nemo-canary-180m-flash-en-es-de-fr-int8"
	file := func(path string, role Role, size int64) File {
		return File{Path: path, Role: role, SizeBytes: size, Sources: []Source{{URL: huggingFace(repository, mainBranch, path)}}}
	}
	return Entry{
		ID: "canary-180m-flash-int8", Name: "Canary 180M flash (int8)", Family: Canary,
		Languages: []string{"en", "es", "de", "fr"}, Licence: "CC-BY-4.0", Backend: backendSherpa,
		Files: []File{
			file("encoder.int8.onnx", RoleEncoder, 132_679*kilobyte),
			file("decoder.int8.onnx", RoleDecoder, 74_440*kilobyte),
			file("tokens.txt", RoleTokens, 53*kilobyte),
		},
	}
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
