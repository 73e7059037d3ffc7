package files

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
)

// Names of fields.
const (
	fieldModel        = "model"
	fieldLanguage     = "language"
	fieldLanguages    = "languages"
	fieldKeywords     = "keywords"
	fieldHotWords     = "hotwords" // as other servers name them
	fieldPrompt       = "prompt"
	fieldFormat       = "response_format"
	fieldTemperature  = "temperature"
	fieldTimestamps   = "timestamp_granularities"
	fieldInclude      = "include"
	fieldStream       = "stream"
	fieldChunking     = "chunking_strategy"
	fieldSpeakers     = "known_speaker_names"
	fieldSpeakerFiles = "known_speaker_references"
)

// known reports whether a part has a field that counts.
func known(part string) bool {
	name, _, _ := strings.Cut(part, "[")
	switch name {
	case fieldModel, fieldLanguage, fieldLanguages, fieldKeywords, fieldHotWords, fieldPrompt, fieldFormat, fieldTemperature, fieldTimestamps, fieldInclude, fieldStream,
		fieldChunking, fieldSpeakers, fieldSpeakerFiles:
		return true
	}
	return false
}

// Formats of answers.
const (
	formatJSON     = "json"
	formatText     = "text"
	formatSRT      = "srt"
	formatVerbose  = "verbose_json"
	formatVTT      = "vtt"
	formatDiarized = "diarized_json"
)

// Granularities of times.
const (
	granularWord    = "word"
	granularSegment = "segment"
)

// options are what a request asks for.
type options struct {
	model     string
	languages []string // codes; the first one that the model knows counts
	prefers   openai.Preferences
	format    string
	words     bool // of verbose_json
	segments  bool
	logprobs  bool
	stream    bool
}

// unsupported is a value that is never served.
func unsupported(param, format string, args ...any) error {
	return &openai.FieldError{Param: param, Code: openai.CodeUnsupportedValue, Err: scout.Errorf(scout.CodeInvalidArgument, format, args...)}
}

// parse reads the fields of a form. Those that a task does not have are ignored.
func (f *form) parse(task task) (o options, err error) {
	o.model = f.last(fieldModel)
	if o.format, err = f.format(); err != nil {
		return o, err
	}
	if err := f.temperature(); err != nil {
		return o, err
	}
	if task == translating {
		o.segments = true
		o.prefers, err = openai.Prefer(nil, f.last(fieldPrompt))
		return o, err
	}
	steps := []func(*options) error{f.spoken, f.preferred, f.streamed, f.timed, f.included, f.chunked, f.speakers}
	for _, step := range steps {
		if err := step(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (f *form) format() (string, error) {
	switch format := f.last(fieldFormat); format {
	case "":
		return formatJSON, nil
	case formatJSON, formatText, formatSRT, formatVerbose, formatVTT:
		return format, nil
	case formatDiarized:
		return "", unsupported(fieldFormat, "no model that tells speakers apart is installed: want json, text, srt, verbose_json or vtt")
	default:
		return "", unsupported(fieldFormat, "there is no such format: want json, text, srt, verbose_json or vtt")
	}
}

func (f *form) temperature() error {
	text := f.last(fieldTemperature)
	if text == "" {
		return nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || value < 0 || value > 1 {
		return openai.Invalid(fieldTemperature, "it is no number from 0 to 1")
	}
	return nil
}

// spoken reads the languages.
func (f *form) spoken(o *options) error {
	candidates, err := f.list(fieldLanguages)
	if err == nil {
		o.languages, err = openai.ParseLanguages(f.last(fieldLanguage), candidates)
	}
	return err
}

// preferred reads the words that the text should have.
func (f *form) preferred(o *options) error {
	keywords, err := f.list(fieldKeywords)
	if err != nil {
		return err
	}
	others, err := f.list(fieldHotWords)
	if err != nil {
		return err
	}
	for _, text := range others { // other servers take one text of them
		keywords = append(keywords, strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",;\n\r", r) })...)
	}
	o.prefers, err = openai.Prefer(keywords, f.last(fieldPrompt))
	return err
}

func (f *form) streamed(o *options) error {
	text := f.last(fieldStream)
	if text == "" {
		return nil
	}
	var err error
	if o.stream, err = strconv.ParseBool(strings.ToLower(text)); err != nil {
		return openai.Invalid(fieldStream, "it is neither true nor false")
	}
	if o.stream && slices.Contains([]string{formatSRT, formatVTT, formatVerbose}, o.format) {
		return unsupported(fieldFormat, "no event of a stream could carry %s: want json or text", o.format)
	}
	return nil
}

func (f *form) timed(o *options) error {
	asked, err := f.list(fieldTimestamps)
	if err != nil {
		return err
	}
	for _, granularity := range asked {
		switch strings.TrimSpace(granularity) {
		case granularWord:
			o.words = true
		case granularSegment:
			o.segments = true
		default:
			return unsupported(fieldTimestamps, "there is no such granularity: want word or segment")
		}
	}
	if o.words && o.format != formatVerbose {
		return unsupported(fieldTimestamps, "times of words are only in verbose_json: set response_format")
	}
	o.segments = o.segments || len(asked) == 0
	return nil
}

func (f *form) included(o *options) error {
	asked, err := f.list(fieldInclude)
	if err != nil {
		return err
	}
	for _, part := range asked {
		if strings.TrimSpace(part) != "logprobs" {
			return unsupported(fieldInclude, "there is no such part: want logprobs")
		}
		o.logprobs = true
	}
	return nil
}

// chunked checks how to cut the audio, which has no effect: Scout cuts where it is quiet, and drops nothing.
func (f *form) chunked(*options) error {
	object, raw, err := f.object(fieldChunking)
	switch {
	case err != nil:
		return err
	case raw != "" && raw != "auto" && raw != `"auto"`:
		return openai.Invalid(fieldChunking, `it is neither auto nor an object with the type server_vad`)
	case object == nil:
		return nil
	}
	var kind string
	if json.Unmarshal(object["type"], &kind) != nil || kind != "server_vad" {
		return openai.Invalid(fieldChunking, "its type is not server_vad")
	}
	for name, most := range map[string]float64{"prefix_padding_ms": math.MaxInt32, "silence_duration_ms": math.MaxInt32, "threshold": 1} {
		value, there := object[name]
		var number float64
		if there && string(value) != "null" && (json.Unmarshal(value, &number) != nil || number < 0 || number > most) {
			return openai.Invalid(fieldChunking, "%s is out of range", name)
		}
	}
	return nil
}

// speakers refuses what needs a model that tells speakers apart.
func (f *form) speakers(*options) error {
	for _, name := range []string{fieldSpeakers, fieldSpeakerFiles} {
		values, err := f.list(name)
		if err != nil {
			return err
		}
		if len(values) > 0 {
			return unsupported(name, "no model that tells speakers apart is installed")
		}
	}
	return nil
}
