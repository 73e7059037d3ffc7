package realtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// object is one of a session, and where it stands.
type object struct {
	*reader
	path   string
	fields map[string]json.RawMessage
}

// object returns an object; one without fields for what is none.
func (r *reader) object(raw json.RawMessage, path string) object {
	o := object{reader: r, path: path}
	if err := json.Unmarshal(raw, &o.fields); err != nil || o.fields == nil {
		r.wrong(path, "want an object")
	}
	return o
}

// within returns an object in an object. there is false where it is left out, and null says that it is null.
func (o object) within(name string) (inner object, there, null bool) {
	raw, there := o.fields[name]
	if !there || isNull(raw) {
		return object{reader: o.reader}, there, there
	}
	return o.object(raw, o.path+"."+name), true, false
}

// field reads a value of a type into dst, if the field is there; null makes it what usual is.
func field[T any](o object, name, want string, usual T, dst *T) {
	raw, there := o.fields[name]
	switch {
	case !there:
	case isNull(raw):
		*dst = usual
	default:
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			o.wrong(o.path+"."+name, "want %s", want)
			return
		}
		*dst = v
	}
}

// whole is a whole number, also where it is written as 500.0: some languages know no other numbers.
type whole int

// UnmarshalJSON implements json.Unmarshaler.
func (w *whole) UnmarshalJSON(raw []byte) error {
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
		return errors.New("it is not a whole number")
	}
	*w = whole(v)
	return nil
}

// whole reads a whole number into dst, which may be nil for none, as usual may.
func (o object) whole(name string, usual *int, dst **int) {
	var v *whole
	field(o, name, "a whole number", nil, &v)
	raw, there := o.fields[name]
	switch {
	case !there:
	case isNull(raw):
		*dst = usual
	case v != nil:
		n := int(*v)
		*dst = &n
	}
}

// word reads one of some words.
func (o object) word(name, usual string, words []string, dst *string) {
	was := *dst
	field(o, name, "a string", usual, dst)
	if *dst != was && *dst != usual && !slices.Contains(words, *dst) {
		o.wrong(o.path+"."+name, "%q is none of %s", short(*dst), strings.Join(words, ", "))
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
func nested(c *Config, session object) {
	if session.problem != nil {
		return
	}
	kind := "transcription"
	if session.word("type", kind, nil, &kind); session.problem != nil {
		session.problem.Message = "session.type: want transcription"
	}
	include(c, session)
	audio, there, null := session.within("audio")
	if !there {
		keys := flatKeys()
		for _, flat := range slices.Sorted(maps.Keys(keys)) {
			if _, is := session.fields[flat]; is {
				session.wrong(session.path+"."+flat, "it is a key of the beta dialect: want session.audio.input.%s", keys[flat])
			}
		}
	}
	if !there || null {
		return
	}
	input, there, null := audio.within("input")
	if !there || null {
		return
	}
	format(c, input)
	transcription(c, input, "transcription")
	noise(c, input, "noise_reduction")
	detection(c, input)
}

// flat reads a session of the beta dialect.
func flat(c *Config, session object) {
	isFlat := false
	for name := range flatKeys() {
		_, there := session.fields[name]
		isFlat = isFlat || there
	}
	if _, nested := session.fields["audio"]; nested && !isFlat {
		session.wrong(session.path+".audio", "a session is flat in the beta dialect: want session.input_audio_format and the like")
	}
	include(c, session)
	name, formats := "", betaFormats()
	field(session, "input_audio_format", "a string", "pcm16", &name)
	if f, known := formats[name]; known {
		c.Format = f
	} else if name != "" {
		session.wrong(session.path+".input_audio_format", "%q is none of pcm16, g711_ulaw, g711_alaw", short(name))
	}
	transcription(c, session, "input_audio_transcription")
	noise(c, session, "input_audio_noise_reduction")
	detection(c, session)
}

// flatKeys are the keys of a session that the beta dialect has elsewhere than the GA dialect, and where that has them. Ignored like others that are not
// known they would make sound something else, and keep a client waiting.
func flatKeys() map[string]string {
	return map[string]string{
		"input_audio_format": "format", "input_audio_transcription": "transcription", "input_audio_noise_reduction": "noise_reduction", "turn_detection": "turn_detection",
	}
}

func include(c *Config, session object) {
	field(session, "include", "a list of strings", nil, &c.Include)
	if len(c.Include) > 1 { // the only one there is, however often
		slices.Sort(c.Include)
		c.Include = slices.Compact(c.Include)
	}
	for _, name := range c.Include {
		if name != logprobs {
			session.wrong(session.path+".include", "%q is not %s", short(name), logprobs)
		}
	}
}

func format(c *Config, input object) {
	o, there, null := input.within("format")
	switch {
	case !there:
		return
	case null:
		c.Format = Format{typePCM, usualRate}
		return
	}
	f := c.Format
	if o.word("type", typePCM, []string{typePCM, typePCMU, typePCMA}, &f.Type); f.Type != c.Format.Type {
		f.Rate = usualRate
	}
	if f.Type == typePCM {
		usual, rate := usualRate, &f.Rate
		o.whole("rate", &usual, &rate)
		if f.Rate = *rate; f.Rate < leastRate || f.Rate > highestRate {
			o.wrong(o.path+".rate", "want %d to %d Hz", leastRate, highestRate)
		}
	} else {
		usual := telephoneRate
		rate := &usual
		if o.whole("rate", &usual, &rate); *rate != telephoneRate {
			o.wrong(o.path+".rate", "%s has %d Hz", f.Type, telephoneRate)
		}
		f.Rate = 0
	}
	c.Format = f
}

func transcription(c *Config, from object, name string) {
	o, there, null := from.within(name)
	if null {
		c.Transcription = nil
	}
	if !there || null {
		return
	}
	t := Transcription{Model: NameDefault, Keywords: []string{}}
	if c.Transcription != nil {
		t = *c.Transcription
	}
	field(o, "model", "a string", NameDefault, &t.Model)
	field(o, "language", "a string", "", &t.Language)
	field(o, "languages", "a list of strings", nil, &t.Languages)
	field(o, "keywords", "a list of strings", []string{}, &t.Keywords)
	field(o, "prompt", "a string", nil, &t.Prompt)
	field(o, "delay", "a string", nil, &t.Delay)
	if t.Delay != nil {
		if _, known := delays()[*t.Delay]; !known {
			o.wrong(o.path+".delay", "%q is none of minimal, low, medium, high, xhigh", short(*t.Delay))
		}
	}
	if t.size() > mostAsk {
		o.wrong(o.path, "its texts have more than 16 KiB")
	}
	c.Transcription = &t
}

// size is how many bytes the texts have, with what a list needs for each.
func (t *Transcription) size() int {
	n := len(t.Model) + len(t.Language)
	if t.Prompt != nil {
		n += len(*t.Prompt)
	}
	for _, text := range slices.Concat(t.Languages, t.Keywords) {
		n += len(text) + perText
	}
	return n
}

// perText is what a text of a list needs besides its bytes.
const perText = 16

func noise(c *Config, from object, name string) {
	o, there, null := from.within(name)
	if null {
		c.Noise = nil
	}
	if !there || null {
		return
	}
	n := Noise{Type: "near_field"}
	if c.Noise != nil {
		n = *c.Noise
	}
	o.word("type", "near_field", []string{"near_field", "far_field"}, &n.Type)
	field(o, "strength", "a number", nil, &n.Strength)
	c.Noise = &n
}

// Bounds of turn detection, in milliseconds.
const (
	mostPadding = 60_000
	mostSilence = 60_000
)

func detection(c *Config, from object) {
	o, there, null := from.within("turn_detection")
	c.chosen = c.chosen || there
	if null {
		c.Detection = nil
	}
	if !there || null {
		return
	}
	kind := bySilence
	if c.Detection != nil {
		kind = c.Detection.Type
	}
	o.word("type", bySilence, []string{bySilence, bySentence}, &kind)
	var t TurnDetection
	switch {
	case c.Detection != nil && c.Detection.Type == kind:
		t = *c.Detection
	case kind == bySentence:
		t = TurnDetection{Type: bySentence, Eagerness: "auto"}
	default:
		t = *serverDetection()
	}
	if kind == bySentence {
		o.word("eagerness", "auto", []string{"low", "medium", "high", "auto"}, &t.Eagerness)
	} else {
		o.silence(&t)
	}
	field(o, "create_response", "true or false", nil, &t.Create)
	field(o, "interrupt_response", "true or false", nil, &t.Interrupt)
	o.whole("idle_timeout_ms", nil, &t.IdleTimeoutMS)
	c.Detection = &t
}

// silence reads how a pause ends a turn.
func (o object) silence(t *TurnDetection) {
	usual := serverDetection()
	field(o, "threshold", "a number", usual.Threshold, &t.Threshold)
	o.whole("prefix_padding_ms", usual.PrefixMS, &t.PrefixMS)
	o.whole("silence_duration_ms", usual.SilenceMS, &t.SilenceMS)
	if v := *t.Threshold; math.IsNaN(v) || v < 0 || v > 1 {
		o.wrong(o.path+".threshold", "want 0 to 1")
	}
	if v := *t.PrefixMS; v < 0 || v > mostPadding {
		o.wrong(o.path+".prefix_padding_ms", "want 0 to %d", mostPadding)
	}
	if v := *t.SilenceMS; v < 0 || v > mostSilence {
		o.wrong(o.path+".silence_duration_ms", "want 0 to %d", mostSilence)
	}
}
