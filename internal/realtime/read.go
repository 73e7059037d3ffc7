package realtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// reader reads fields of a session and remembers the first that is wrong.
type reader struct{ problem *Problem }

func (r *reader) wrong(path, format string, args ...any) {
	if r.problem == nil {
		r.problem = &Problem{Code: codeInvalidValue, Param: path, Message: path + ": " + fmt.Sprintf(format, args...)}
	}
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }

// object returns the fields of an object; nil for null or what is none.
func (r *reader) object(raw json.RawMessage, path string) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || raw == nil {
		r.wrong(path, "want an object")
		return nil
	}
	return fields
}

// field reads a value of a type into dst, if the field is there; null makes it what usual is.
func field[T any](r *reader, fields map[string]json.RawMessage, path, name, want string, usual T, dst *T) {
	raw, there := fields[name]
	switch {
	case !there:
	case isNull(raw):
		*dst = usual
	default:
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			r.wrong(path+"."+name, "want %s", want)
			return
		}
		*dst = v
	}
}

// word reads one of some words.
func (r *reader) word(fields map[string]json.RawMessage, path, name, usual string, words []string, dst *string) {
	was := *dst
	field(r, fields, path, name, "a string", usual, dst)
	if *dst != was && *dst != usual && !slices.Contains(words, *dst) {
		r.wrong(path+"."+name, "%q is none of %s", short(*dst), strings.Join(words, ", "))
	}
}

// short bounds what is repeated of a value.
func short(text string) string {
	const most = 40
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most]) + "…"
	}
	return text
}

// nested reads a session of the GA dialect.
func (r *reader) nested(c *Config, fields map[string]json.RawMessage) {
	kind := "transcription"
	if r.word(fields, "session", "type", kind, nil, &kind); r.problem != nil {
		r.problem.Message = "session.type: want transcription"
	}
	r.include(c, fields)
	audio, there := fields["audio"]
	if !there || isNull(audio) {
		return
	}
	in, there := r.object(audio, "session.audio")["input"]
	if !there || isNull(in) {
		return
	}
	const path = "session.audio.input"
	input := r.object(in, path)
	if raw, there := input["format"]; there {
		r.format(c, raw, path+".format")
	}
	r.transcription(c, input, path, "transcription")
	r.noise(c, input, path, "noise_reduction")
	r.detection(c, input, path)
}

// flat reads a session of the beta dialect.
func (r *reader) flat(c *Config, fields map[string]json.RawMessage) {
	const path = "session"
	r.include(c, fields)
	name, formats := "", betaFormats()
	field(r, fields, path, "input_audio_format", "a string", "pcm16", &name)
	if f, known := formats[name]; known {
		c.Format = f
	} else if name != "" {
		r.wrong(path+".input_audio_format", "%q is none of pcm16, g711_ulaw, g711_alaw", short(name))
	}
	r.transcription(c, fields, path, "input_audio_transcription")
	r.noise(c, fields, path, "input_audio_noise_reduction")
	r.detection(c, fields, path)
}

func (r *reader) include(c *Config, fields map[string]json.RawMessage) {
	field(r, fields, "session", "include", "a list of strings", nil, &c.Include)
	for _, name := range c.Include {
		if name != logprobs {
			r.wrong("session.include", "%q is not %s", short(name), logprobs)
		}
	}
}

func (r *reader) format(c *Config, raw json.RawMessage, path string) {
	if isNull(raw) {
		c.Format = Format{typePCM, usualRate}
		return
	}
	fields, f := r.object(raw, path), c.Format
	r.word(fields, path, "type", typePCM, []string{typePCM, typePCMU, typePCMA}, &f.Type)
	if f.Type != c.Format.Type {
		f.Rate = 0
	}
	if f.Type != typePCM {
		rate := telephoneRate
		if field(r, fields, path, "rate", "a number", rate, &rate); rate != telephoneRate {
			r.wrong(path+".rate", "%s has %d Hz", f.Type, telephoneRate)
		}
		f.Rate = 0
	} else {
		if field(r, fields, path, "rate", "a number", usualRate, &f.Rate); f.Rate == 0 && fields["rate"] == nil {
			f.Rate = usualRate
		}
		if f.Rate < leastRate || f.Rate > highestRate {
			r.wrong(path+".rate", "want %d to %d Hz", leastRate, highestRate)
		}
	}
	c.Format = f
}

func (r *reader) transcription(c *Config, from map[string]json.RawMessage, path, name string) {
	raw, there := from[name]
	if !there {
		return
	}
	if isNull(raw) {
		c.Transcription = nil
		return
	}
	path += "." + name
	t := Transcription{Model: NameDefault, Keywords: []string{}}
	if c.Transcription != nil {
		t = *c.Transcription
	}
	fields := r.object(raw, path)
	field(r, fields, path, "model", "a string", NameDefault, &t.Model)
	field(r, fields, path, "language", "a string", "", &t.Language)
	field(r, fields, path, "languages", "a list of strings", nil, &t.Languages)
	field(r, fields, path, "keywords", "a list of strings", []string{}, &t.Keywords)
	field(r, fields, path, "prompt", "a string", nil, &t.Prompt)
	field(r, fields, path, "delay", "a string", nil, &t.Delay)
	if t.Delay != nil {
		if _, known := delays()[*t.Delay]; !known {
			r.wrong(path+".delay", "%q is none of minimal, low, medium, high, xhigh", short(*t.Delay))
		}
	}
	c.Transcription = &t
}

func (r *reader) noise(c *Config, from map[string]json.RawMessage, path, name string) {
	raw, there := from[name]
	if !there {
		return
	}
	if isNull(raw) {
		c.Noise = nil
		return
	}
	path += "." + name
	n := Noise{Type: "near_field"}
	if c.Noise != nil {
		n = *c.Noise
	}
	fields := r.object(raw, path)
	r.word(fields, path, "type", "near_field", []string{"near_field", "far_field"}, &n.Type)
	field(r, fields, path, "strength", "a number", nil, &n.Strength)
	c.Noise = &n
}

// Bounds of turn detection, in milliseconds.
const (
	mostPadding = 60_000
	mostSilence = 60_000
)

func (r *reader) detection(c *Config, from map[string]json.RawMessage, path string) {
	raw, there := from["turn_detection"]
	if !there {
		return
	}
	c.chosen = true
	if isNull(raw) {
		c.Detection = nil
		return
	}
	path += ".turn_detection"
	fields := r.object(raw, path)
	kind := serverVAD
	if c.Detection != nil {
		kind = c.Detection.Type
	}
	r.word(fields, path, "type", serverVAD, []string{serverVAD, semanticVAD}, &kind)
	var t TurnDetection
	switch {
	case c.Detection != nil && c.Detection.Type == kind:
		t = *c.Detection
	case kind == semanticVAD:
		t = TurnDetection{Type: semanticVAD, Eagerness: "auto"}
	default:
		t = *serverDetection()
	}
	if kind == semanticVAD {
		r.word(fields, path, "eagerness", "auto", []string{"low", "medium", "high", "auto"}, &t.Eagerness)
	} else {
		usual := serverDetection()
		field(r, fields, path, "threshold", "a number", usual.Threshold, &t.Threshold)
		field(r, fields, path, "prefix_padding_ms", "a whole number", usual.PrefixMS, &t.PrefixMS)
		field(r, fields, path, "silence_duration_ms", "a whole number", usual.SilenceMS, &t.SilenceMS)
		if v := *t.Threshold; math.IsNaN(v) || v < 0 || v > 1 {
			r.wrong(path+".threshold", "want 0 to 1")
		}
		if v := *t.PrefixMS; v < 0 || v > mostPadding {
			r.wrong(path+".prefix_padding_ms", "want 0 to %d", mostPadding)
		}
		if v := *t.SilenceMS; v < 0 || v > mostSilence {
			r.wrong(path+".silence_duration_ms", "want 0 to %d", mostSilence)
		}
	}
	field(r, fields, path, "create_response", "true or false", nil, &t.Create)
	field(r, fields, path, "interrupt_response", "true or false", nil, &t.Interrupt)
	field(r, fields, path, "idle_timeout_ms", "a whole number", nil, &t.IdleTimeoutMS)
	c.Detection = &t
}
