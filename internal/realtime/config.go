package realtime

import (
	"encoding/json"
	"slices"
	"time"
)

// Config is what a client may change in a session. It is never changed in place.
type Config struct {
	Format        Format
	Transcription *Transcription // nil for null
	Noise         *Noise         // nil for none
	Detection     *TurnDetection // nil for none
	Include       []string       // nil for null
	// chosen says that the client has said how turns are found, so that no name of a model decides it.
	chosen bool
}

// Transcription is how items are transcribed, as the client sent it.
type Transcription struct {
	Model     string   `json:"model"`
	Language  string   `json:"language"`
	Languages []string `json:"languages"`
	Keywords  []string `json:"keywords"`
	Prompt    *string  `json:"prompt"`
	Delay     *string  `json:"delay"`
}

// Noise is echoed.
type Noise struct {
	Type     string   `json:"type"`
	Strength *float64 `json:"strength,omitempty"`
}

// TurnDetection is how turns are found, as the client sent it, with the defaults of what it left out.
type TurnDetection struct {
	Type          string   `json:"type"`
	Threshold     *float64 `json:"threshold,omitempty"`
	PrefixMS      *int     `json:"prefix_padding_ms,omitempty"`
	SilenceMS     *int     `json:"silence_duration_ms,omitempty"`
	Eagerness     string   `json:"eagerness,omitempty"`
	Create        *bool    `json:"create_response,omitempty"`
	Interrupt     *bool    `json:"interrupt_response,omitempty"`
	IdleTimeoutMS *int     `json:"idle_timeout_ms,omitempty"`
}

// Words of the protocol.
const (
	bySilence  = "server_vad"
	bySentence = "semantic_vad"
	logprobs   = "item.input_audio_transcription.logprobs"

	// NameDefault is the model of a session that names none.
	NameDefault = "default"
	// nameSingle is the model whose text comes in one delta.
	nameSingle = "whisper-1"
)

// eagernesses are the words of semantic_vad, with the pause that ends a turn, and that behind the end of a sentence.
func eagernesses() map[string][2]time.Duration {
	usual := [2]time.Duration{4 * time.Second, 1200 * time.Millisecond}
	return map[string][2]time.Duration{"low": {8 * time.Second, 2 * time.Second}, "medium": usual, "auto": usual, "high": {2 * time.Second, 800 * time.Millisecond}}
}

// delays are the ages at which a word is sent; that of endOfTurn is 0.
func delays() map[string]time.Duration {
	return map[string]time.Duration{"minimal": 300 * time.Millisecond, "low": 800 * time.Millisecond, "medium": 1500 * time.Millisecond, "high": 3 * time.Second, endOfTurn: 0}
}

// Delay is the age at which words are sent with a value of transcription.delay; 0 for those of a whole item, and for what is none.
func Delay(value string) time.Duration { return delays()[value] }

// usualDelay is the age of a word where the client says nothing; with endOfTurn words come with the end of their turn.
const (
	usualDelay = "medium"
	endOfTurn  = "xhigh"
)

// byHand are the models whose clients end items themselves.
func byHand(model string) bool {
	return model == "gpt-live-transcribe" || model == "gpt-realtime-whisper"
}

func serverDetection() *TurnDetection {
	threshold, prefix, silence := 0.5, 300, 500
	return &TurnDetection{Type: bySilence, Threshold: &threshold, PrefixMS: &prefix, SilenceMS: &silence}
}

// DefaultConfig is that of a session of which only the model is known, empty for none.
func DefaultConfig(model string) Config {
	c := Config{Format: Format{typePCM, usualRate}, Transcription: &Transcription{Model: NameDefault, Keywords: []string{}}}
	if model != "" {
		c.Transcription.Model = model
	}
	c.decide()
	return c
}

// With is the config with another model.
func (c Config) With(model string) Config {
	t := Transcription{Keywords: []string{}}
	if c.Transcription != nil {
		t = *c.Transcription
	}
	t.Model = model
	c.Transcription = &t
	c.decide()
	return c
}

// decide sets how turns are found where the client has not said it.
func (c *Config) decide() {
	if c.chosen {
		return
	}
	if c.Detection = serverDetection(); byHand(c.Ask().Model) {
		c.Detection = nil
	}
}

// Ask is how an item is transcribed.
type Ask struct {
	Model, Language     string
	Languages, Keywords []string
	Prompt              string
	// LogProbs says that the client wants to know how probable the text is.
	LogProbs bool
}

// Ask is that of the next item.
func (c *Config) Ask() Ask {
	t, probabilities := c.Transcription, slices.Contains(c.Include, logprobs)
	if t == nil {
		return Ask{Model: NameDefault, LogProbs: probabilities}
	}
	a := Ask{Model: t.Model, Language: t.Language, Languages: t.Languages, Keywords: t.Keywords, LogProbs: probabilities}
	if t.Prompt != nil {
		a.Prompt = *t.Prompt
	}
	return a
}

func (a *Ask) same(b *Ask) bool {
	return a.Model == b.Model && a.Language == b.Language && a.Prompt == b.Prompt && a.LogProbs == b.LogProbs && slices.Equal(a.Languages, b.Languages) && slices.Equal(a.Keywords, b.Keywords)
}

// delay is the age at which words of the next item are sent; 0 for those of a whole item.
func (c *Config) delay() time.Duration {
	switch t := c.Transcription; {
	case t == nil || t.Delay == nil && t.Model != nameSingle:
		return delays()[usualDelay]
	case t.Delay == nil || t.Model == nameSingle:
		return 0
	default:
		return delays()[*t.Delay]
	}
}

// detection is how turns are found; nil if the client ends items.
func (c *Config) detection() *Detection {
	t := c.Detection
	if t == nil {
		return nil
	}
	d := Detection{Threshold: 0.5, Prefix: 300 * time.Millisecond}
	if t.Type == bySentence {
		pauses := eagernesses()[t.Eagerness]
		d.Silence, d.AfterSentence = pauses[0], pauses[1]
		return &d
	}
	d.Threshold, d.Prefix, d.Silence = *t.Threshold, time.Duration(*t.PrefixMS)*time.Millisecond, time.Duration(*t.SilenceMS)*time.Millisecond
	return &d
}

// Problem is what is wrong with a message, as OpenAI says it.
type Problem struct {
	Code, Message, Param string
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

// Codes of problems.
const (
	codeInvalidEvent = "invalid_event"
	codeInvalidValue = "invalid_value"
	codeInvalidModel = "invalid_model"
	codeEmpty        = "input_audio_buffer_commit_empty"
	codeExpired      = "session_expired"
)

// sessionBody is a session as the GA dialect shows it.
type sessionBody struct {
	Type      string   `json:"type"`
	Object    string   `json:"object"`
	ID        string   `json:"id,omitempty"`
	ExpiresAt int64    `json:"expires_at,omitempty"`
	Include   []string `json:"include"`
	Audio     struct {
		Input struct {
			Format        Format         `json:"format"`
			Transcription *Transcription `json:"transcription"`
			Noise         *Noise         `json:"noise_reduction"`
			Detection     *TurnDetection `json:"turn_detection"`
		} `json:"input"`
	} `json:"audio"`
}

const sessionObject = "realtime.transcription_session"

// Body is the config as the GA dialect shows a session.
func (c *Config) Body(id string, expires time.Time) any {
	b := sessionBody{Type: "transcription", Object: sessionObject, ID: id, Include: c.Include}
	if !expires.IsZero() {
		b.ExpiresAt = expires.Unix()
	}
	in := &b.Audio.Input
	in.Format, in.Transcription, in.Noise, in.Detection = c.Format, c.Transcription, c.Noise, c.Detection
	return b
}

// Secret is the key of a session for a page.
type Secret struct {
	Value     string `json:"value"`
	ExpiresAt int64  `json:"expires_at"`
}

// betaBody is a session as the beta dialect shows it.
type betaBody struct {
	ID            string             `json:"id,omitempty"`
	Object        string             `json:"object"`
	ExpiresAt     int64              `json:"expires_at,omitempty"`
	Secret        *Secret            `json:"client_secret"`
	Format        string             `json:"input_audio_format"`
	Rate          int                `json:"input_audio_rate,omitempty"` // of PCM, where the name would say another
	Transcription *betaTranscription `json:"input_audio_transcription"`
	Noise         *Noise             `json:"input_audio_noise_reduction"`
	Detection     *TurnDetection     `json:"turn_detection"`
	Include       []string           `json:"include"`
}

type betaTranscription struct {
	Model    string `json:"model"`
	Language string `json:"language"`
	Prompt   string `json:"prompt"`
}

// betaFormats are the names of formats in the beta dialect.
func betaFormats() map[string]Format {
	return map[string]Format{"pcm16": {typePCM, usualRate}, "g711_ulaw": {Type: typePCMU}, "g711_alaw": {Type: typePCMA}}
}

// BetaBody is the config as the beta dialect shows a session.
func (c *Config) BetaBody(id string, expires time.Time, secret *Secret) any {
	b := betaBody{ID: id, Object: sessionObject, Secret: secret, Noise: c.Noise, Detection: c.Detection, Include: c.Include, Format: "pcm16"}
	if c.Format.Type == typePCM && c.Format.Rate != usualRate {
		b.Rate = c.Format.Rate // a session of the GA dialect, by a key of a page
	}
	for name, f := range betaFormats() {
		if f == c.Format {
			b.Format = name
		}
	}
	if !expires.IsZero() {
		b.ExpiresAt = expires.Unix()
	}
	if b.Include == nil {
		b.Include = []string{}
	}
	if t := c.Transcription; t != nil {
		b.Transcription = &betaTranscription{Model: t.Model, Language: t.Language}
		if t.Prompt != nil {
			b.Transcription.Prompt = *t.Prompt
		}
	}
	return b
}

// Update reads a session as a client sends it, in the form of the GA dialect or flat as in the beta dialect, and returns what becomes of
// the config. The error is a *Problem.
//
//	beta  it is flat
func (c Config) Update(raw json.RawMessage, beta bool, check func(Ask) *Problem) (Config, error) {
	r := &reader{}
	if session := r.object(raw, "session"); beta {
		flat(&c, session)
	} else {
		nested(&c, session)
	}
	if r.problem != nil {
		return c, r.problem
	}
	if check != nil {
		if p := check(c.Ask()); p != nil {
			if beta {
				p.Param = "session.input_audio_transcription." + p.Param
			} else {
				p.Param = "session.audio.input.transcription." + p.Param
			}
			return c, p
		}
	}
	c.decide()
	return c, nil
}
