package files

import (
	"bytes"
	"compress/zlib"
	"math"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/text"
)

// Transcription is the body of json. A translation has only the text.
type Transcription struct {
	Text      string            `json:"text"`
	Languages []openai.Language `json:"languages" doc:"Empty when the model is not sure"`
	LogProbs  []openai.LogProb  `json:"logprobs,omitempty"`
	Usage     Usage             `json:"usage"`
}

// Translation is the body of json of a translation.
type Translation struct {
	Text string `json:"text"`
}

// Seconds is what was heard.
type Seconds struct {
	Type    string `json:"type" enum:"duration"`
	Seconds int    `json:"seconds"`
}

// Tokens are what was counted; 0 if the engine does not say.
type Tokens struct {
	Type         string       `json:"type" enum:"tokens"`
	InputTokens  int          `json:"input_tokens" doc:"Those of the audio and those of the text"`
	OutputTokens int          `json:"output_tokens" doc:"Those that the decoder wrote"`
	TotalTokens  int          `json:"total_tokens"`
	Details      TokenDetails `json:"input_token_details"`
}

// TokenDetails are parts of the input.
type TokenDetails struct {
	AudioTokens int `json:"audio_tokens" doc:"Positions of the model's encoder that hold the audio"`
	TextTokens  int `json:"text_tokens" doc:"Tokens of the prompt that the model was given"`
}

// Usage has the fields of Seconds or those of Tokens, as its type says.
type Usage struct {
	Type         string        `json:"type" enum:"duration,tokens"`
	Seconds      *int          `json:"seconds,omitempty" doc:"The length of the audio, rounded up"`
	InputTokens  *int          `json:"input_tokens,omitempty" doc:"Those of the audio and those of the text"`
	OutputTokens *int          `json:"output_tokens,omitempty" doc:"Those that the decoder wrote"`
	TotalTokens  *int          `json:"total_tokens,omitempty"`
	Details      *TokenDetails `json:"input_token_details,omitempty"`
}

// counted are the tokens of one text.
type counted struct{ audio, prompt, output int }

func (c counted) tokens() Tokens {
	in := c.audio + c.prompt
	return Tokens{Type: "tokens", InputTokens: in, OutputTokens: c.output, TotalTokens: in + c.output, Details: TokenDetails{AudioTokens: c.audio, TextTokens: c.prompt}}
}

// usage is that of a text for the model that was asked for.
func (c counted) usage(name string, length time.Duration) Usage {
	if openai.CountsTokens(name) {
		t := c.tokens()
		return Usage{Type: t.Type, InputTokens: &t.InputTokens, OutputTokens: &t.OutputTokens, TotalTokens: &t.TotalTokens, Details: &t.Details}
	}
	s := usageOf(length)
	return Usage{Type: s.Type, Seconds: &s.Seconds}
}

// Verbose is the body of verbose_json.
type Verbose struct {
	Task     string     `json:"task" enum:"transcribe,translate"`
	Language string     `json:"language"`
	Duration float64    `json:"duration"`
	Text     string     `json:"text"`
	Segments *[]Segment `json:"segments,omitempty"`
	Words    *[]Word    `json:"words,omitempty"`
	Usage    *Seconds   `json:"usage,omitempty"`
}

// Segment is a stretch of a text. It has all ten fields always, because typed clients require them.
type Segment struct {
	ID               int     `json:"id"`
	Seek             int     `json:"seek"`
	Start            float64 `json:"start"`
	End              float64 `json:"end"`
	Text             string  `json:"text"`
	Tokens           []int   `json:"tokens"`
	Temperature      float64 `json:"temperature"`
	AvgLogProb       float64 `json:"avg_logprob"`
	CompressionRatio float64 `json:"compression_ratio"`
	NoSpeechProb     float64 `json:"no_speech_prob"`
}

// Word is a word with its place.
type Word struct {
	Word  string  `json:"word"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// seconds has three decimals.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

func usageOf(length time.Duration) Seconds {
	return Seconds{Type: "duration", Seconds: int((length + time.Second - 1) / time.Second)}
}

// languagesOf are those of a text, that of most of it first.
func languagesOf(t *scout.Transcript) []openai.Language {
	if len(t.Segments) == 0 {
		return openai.Languages()
	}
	codes := []string{t.Language}
	for i := range t.Segments {
		codes = append(codes, t.Segments[i].Language)
	}
	return openai.Languages(codes...)
}

// pieceOf is a segment as text that follows the last one.
func pieceOf(last string, s *scout.Segment) string { return scout.Between(last, s.Text) + s.Text }

// logProbsOf are those of a segment behind last; nil where one is not known.
func logProbsOf(last string, s *scout.Segment) []openai.LogProb {
	all := openai.LogProbs(last, s.Words)
	length, want := 0, pieceOf(last, s)
	for i := range all {
		length += len(all[i].Bytes)
	}
	if length != len(want) { // it would be another text
		return nil
	}
	return all
}

// allLogProbs are those of a text; nil where one is not known.
func allLogProbs(t *scout.Transcript) []openai.LogProb {
	all, last := []openai.LogProb{}, ""
	for i := range t.Segments {
		part := logProbsOf(last, &t.Segments[i])
		if part == nil {
			return nil
		}
		all, last = append(all, part...), t.Segments[i].Text
	}
	return all
}

func transcriptionOf(t *scout.Transcript, o *options, c counted) Transcription {
	body := Transcription{Text: t.Text(), Languages: languagesOf(t), Usage: c.usage(o.model, t.Duration)}
	if o.logprobs {
		body.LogProbs = allLogProbs(t)
	}
	return body
}

func verboseOf(t *scout.Transcript, o *options, task task) Verbose {
	body := Verbose{Task: string(task), Language: openai.LanguageName(t.Language), Duration: seconds(t.Duration), Text: t.Text()}
	if task == translating {
		body.Language = "english"
	} else {
		usage := usageOf(t.Duration)
		body.Usage = &usage
	}
	if len(t.Segments) == 0 && task == transcribing && t.LanguageProb != nil {
		body.Language = openai.LanguageName("") // nothing was said in it
	}
	if o.segments {
		list := []Segment{}
		for i := range t.Segments {
			list = append(list, segmentOf(i, &t.Segments[i]))
		}
		body.Segments = &list
	}
	if o.words {
		list := wordsOf(t)
		body.Words = &list
	}
	return body
}

func segmentOf(i int, s *scout.Segment) Segment {
	out := Segment{ID: i, Start: seconds(s.Start), End: seconds(s.End), Text: scout.Between("a", s.Text) + s.Text, Tokens: []int{}, CompressionRatio: compression(s.Text)}
	if s.AvgLogProb != nil && !math.IsNaN(*s.AvgLogProb) && !math.IsInf(*s.AvgLogProb, 0) {
		out.AvgLogProb = *s.AvgLogProb
	}
	return out
}

// wordsOf are the words that have a place; the times of the others would be invented.
func wordsOf(t *scout.Transcript) []Word {
	list := []Word{}
	for i := range t.Segments {
		for _, w := range t.Segments[i].Words {
			if w.Start != nil && w.End != nil {
				list = append(list, Word{Word: w.Text, Start: seconds(*w.Start), End: seconds(*w.End)})
			}
		}
	}
	return list
}

// compression is the bytes of a text over those of zlib.
func compression(said string) float64 {
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, err := z.Write([]byte(said))
	if err != nil || z.Close() != nil || packed.Len() == 0 { // a buffer takes everything
		return 0
	}
	return math.Round(float64(len(said))/float64(packed.Len())*1000) / 1000
}

// plainOf is the body of text, srt and vtt. It ends in a line feed.
func plainOf(t *scout.Transcript, format string) ([]byte, error) {
	var out bytes.Buffer
	switch format {
	case formatSRT, formatVTT:
		as := text.SRT
		if format == formatVTT {
			as = text.VTT
		}
		if err := text.Write(&out, as, text.Document{Transcript: *t}); err != nil {
			return nil, err
		}
	default:
		out.WriteString(t.Text())
	}
	if !bytes.HasSuffix(out.Bytes(), []byte("\n")) || format == formatVTT && len(t.Segments) == 0 { // WEBVTT and an empty line
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}
