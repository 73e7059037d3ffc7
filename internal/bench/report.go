package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/scout-speech/scout"
)

// schema is the version of the JSON form of a Report: docs/formats/bench.md. Readers refuse other versions.
const schema = 2

// LongAudio is the length above which a clip counts as long: no engine here takes more in one request.
const LongAudio = 30 * time.Second

// Report is the outcome of a run.
type Report struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Setup   Setup     `json:"setup"`
	// Files are in the order of the manifest.
	Files []File `json:"files"`
	// Short are the clips up to LongAudio, Long the others, Total all of them. A failed clip of unknown length counts
	// only in Total.
	Short Score `json:"short"`
	Long  Score `json:"long"`
	Total Score `json:"total"`
	// Languages has each language of the manifest, and then those that are counted in words and in characters together; empty if the
	// manifest names none.
	Languages []LanguageScore `json:"languages,omitempty"`
	// Peer is what another program made of the same clips in the same run, and AgainstPeer the comparison: before is the peer.
	Peer        *Report     `json:"peer,omitempty"`
	AgainstPeer *Comparison `json:"against_peer,omitempty"`
	// Decodes is the distribution of single engine requests in milliseconds.
	Decodes Spread `json:"decodes_ms"`
	// Confidence is absent if the model gives no probabilities, and in the mode Hour.
	Confidence *Confidence `json:"confidence,omitempty"`
	// Memory is absent if it was not measured.
	Memory *Memory `json:"memory,omitempty"`
}

// Setup describes what was measured, for later comparisons.
type Setup struct {
	Version string `json:"version,omitempty"`
	Model   string `json:"model,omitempty"`
	Backend string `json:"backend,omitempty"`
	Cut     string `json:"cut,omitempty"`
	Threads int    `json:"threads,omitempty"`
	Mode    Mode   `json:"mode"`
	CPU     string `json:"cpu,omitempty"`
	// Effort is how carefully doubtful audio is decoded, or what a peer has instead.
	Effort     string     `json:"effort,omitempty"`
	Normaliser Normaliser `json:"normaliser,omitempty"`
	Language   string     `json:"language,omitempty"`
}

// File is the outcome of one clip, or of all of them joined.
type File struct {
	File string `json:"file"`
	// Audio and Took are in seconds.
	Audio float64 `json:"audio_seconds"`
	Took  float64 `json:"took_seconds"`
	// CPU is the processor time of the engine in seconds; 0 if it is not known.
	CPU float64 `json:"cpu_seconds,omitempty"`
	// Language is the code of what is spoken, and Heard what the transcriber took it for; empty if it is not known.
	Language string `json:"language,omitempty"`
	Heard    string `json:"language_heard,omitempty"`
	// Unit is what Words counts, if not words.
	Unit  Counted `json:"unit,omitempty"`
	Words Edits   `json:"words"`
	// Repeated is what the text says again and the reference does not.
	Repeated Repeated `json:"repeated,omitzero"`
	// Characters compares the normalised words with one space between them.
	Characters Characters `json:"characters"`
	// Reference and Text are the normalised words that were compared.
	Reference string `json:"reference"`
	Text      string `json:"text"`
	// Error is set if the clip, or a part of it, could not be transcribed: the words of that count as deleted.
	Error *FileError `json:"error,omitempty"`
}

// Characters counts characters and their edit distance.
type Characters struct {
	Reference int `json:"reference"`
	Errors    int `json:"errors"`
}

// FileError is why a clip could not be transcribed.
type FileError struct {
	Code    scout.Code `json:"code"`
	Message string     `json:"message"`
}

// Rate is an error rate (0.1 is 10 %) and its 95 % interval over files.
type Rate struct {
	Value float64 `json:"value"`
	Interval
}

// Score summarises a group of files.
type Score struct {
	Files  int `json:"files"`
	Failed int `json:"failed"`
	// Right are files without an error, and Empty those with an empty text although something is said.
	Right int     `json:"right"`
	Empty int     `json:"empty"`
	Audio float64 `json:"audio_seconds"`
	Took  float64 `json:"took_seconds"`
	// RTF is the real-time factor: seconds taken per second of audio, over files that did not fail.
	RTF float64 `json:"rtf"`
	// CPU is the processor time of the engine in seconds, 0 if it is not known.
	CPU      float64  `json:"cpu_seconds,omitempty"`
	Repeated Repeated `json:"repeated,omitzero"`
	// Words are of clips that are counted in words.
	Words Edits `json:"words"`
	// WER and CER are absent if the references hold no words.
	WER *Rate `json:"wer,omitempty"`
	CER *Rate `json:"cer,omitempty"`
}

func scoreOf(files []File, in func(File) bool) Score {
	var s Score
	var words, characters []share
	var heard float64
	for _, f := range files {
		if !in(f) {
			continue
		}
		s.Files++
		s.Audio += f.Audio
		s.Took += f.Took
		s.CPU += f.CPU
		s.Repeated = s.Repeated.plus(f.Repeated)
		if f.Unit != InCharacters {
			s.Words = s.Words.plus(f.Words)
			words = append(words, f.words())
		}
		characters = append(characters, share{float64(f.Characters.Errors), float64(f.Characters.Reference)})
		if f.Error != nil {
			s.Failed++
			continue
		}
		if f.Words.Errors() == 0 {
			s.Right++
		}
		if f.Text == "" && f.Words.Reference > 0 {
			s.Empty++
		}
		heard += f.Audio
		s.RTF += f.Took
	}
	if heard > 0 {
		s.RTF /= heard
	} else {
		s.RTF = 0
	}
	s.WER, s.CER = rateOf(words), rateOf(characters)
	return s
}

func (f File) words() share { return share{float64(f.Words.Errors()), float64(f.Words.Reference)} }

func rateOf(files []share) *Rate {
	var sum share
	for _, f := range files {
		sum.errors += f.errors
		sum.length += f.length
	}
	if sum.length == 0 {
		return nil
	}
	return &Rate{Value: sum.errors / sum.length, Interval: bootstrap(files)}
}

// sum fills in everything that follows from Files.
func (r *Report) sum() {
	long := func(f File) bool { return f.Audio > LongAudio.Seconds() }
	r.Short = scoreOf(r.Files, func(f File) bool { return !long(f) && f.Audio > 0 })
	r.Long = scoreOf(r.Files, long)
	r.Total = scoreOf(r.Files, func(File) bool { return true })
	r.Languages = languagesOf(r.Files)
}

// WriteJSON writes the report as docs/formats/bench.md describes it.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return scout.FileError(scout.CodeWriteFailed, "write benchmark result", e.Encode(r))
}

// ReadReport reads a stored report. A report that is damaged or has another schema gives the code manifest_invalid.
func ReadReport(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read baseline", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, scout.Errorf(scout.CodeManifestInvalid, "read baseline %s: %w", path, err)
	}
	if r.Schema != schema {
		return nil, scout.Errorf(scout.CodeManifestInvalid, "read baseline %s: %w", path,
			fmt.Errorf("schema %d, this version reads %d", r.Schema, schema)).
			WithHint("make the baseline again with this version")
	}
	return &r, nil
}
