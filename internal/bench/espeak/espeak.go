// Package espeak speaks sentences with the synthesizer eSpeak NG and reports when each word was said, for measuring
// word times against exactly known times.
//
// The library is loaded on demand and not linked, so Scout neither needs nor contains it. Its interface:
// https://github.com/espeak-ng/espeak-ng/blob/1.51/src/include/espeak-ng/speak_lib.h
package espeak

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/scout-speech/scout"
)

// library is the file name of the library; the system searches for it.
const library = "libespeak-ng.so.1"

// Constants of speak_lib.h.
const (
	outputSynchronous = 2 // hand samples to the callback, return when everything is spoken

	initPhonemeEvents = 1 << 0
	initDontExit      = 1 << 15

	parameterRate    = 1
	parameterPitch   = 3
	parameterWordGap = 7

	positionCharacter = 1
	charactersUTF8    = 1

	eventEnd     = 0
	eventWord    = 1
	eventPhoneme = 7
)

// event is espeak_EVENT.
type event struct {
	kind         int32
	_            uint32
	textPosition int32 // of a word: its first character, counted from 1
	length       int32 // of a word, in characters
	audioMS      int32
	_            int32
	_            uintptr
	id           [8]byte // of a phoneme: its name
}

// Voice is how a sentence is spoken.
type Voice struct {
	Name string // as espeak-ng --voices lists them, "+f2" after it for a variant
	// Rate in words a minute, Pitch from 0 to 99, Gap between words in units of 10 ms.
	Rate, Pitch, Gap int
}

// Word is a word of a sentence and when it was said. Its end is where a pause, or the next word, begins.
type Word struct {
	Text string
	// Start and End are nil where they are not known: some words that often follow each other ("of the", "has been")
	// are spoken as one, and nothing tells where in it the second begins.
	Start, End *time.Duration
}

// Speech is a spoken sentence.
type Speech struct {
	Samples      []int16 // mono
	SampleRateHz int
	Words        []Word
}

// Synthesizer speaks. The library has one state for the whole process: only one Synthesizer may be open, and it serves
// one goroutine.
type Synthesizer struct {
	rate  int
	heard recording

	synth        func(text *byte, size uintptr, position uint32, kind int32, end, flags uint32, id, user unsafe.Pointer) int32
	setVoice     func(name string) int32
	setParameter func(parameter, value, relative int32) int32
	terminate    func() int32
}

// recording is the result of one call of the library.
type recording struct {
	samples []int16
	events  []event
}

// ErrMissing is returned if the library is not installed.
var ErrMissing = errors.New("eSpeak NG is not installed (on Debian: apt-get install espeak-ng)")

// Open loads the library. It returns ErrMissing if there is none.
func Open() (*Synthesizer, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	s := &Synthesizer{}
	var initialize func(output, bufferMS int32, path *byte, options int32) int32
	var setCallback func(callback uintptr)
	for name, f := range map[string]any{
		"espeak_Initialize": &initialize, "espeak_SetSynthCallback": &setCallback, "espeak_Synth": &s.synth,
		"espeak_SetVoiceByName": &s.setVoice, "espeak_SetParameter": &s.setParameter, "espeak_Terminate": &s.terminate,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", library, err)
		}
		purego.RegisterFunc(f, symbol)
	}
	if s.rate = int(initialize(outputSynchronous, 0, nil, initPhonemeEvents|initDontExit)); s.rate <= 0 {
		return nil, scout.Errorf(scout.CodeReadFailed, "start eSpeak NG: it finds no voices")
	}
	setCallback(purego.NewCallback(s.take))
	return s, nil
}

// take is called by the library with samples and their events.
func (s *Synthesizer) take(samples *int16, n int32, events *event) uintptr {
	if samples != nil && n > 0 {
		s.heard.samples = append(s.heard.samples, unsafe.Slice(samples, n)...)
	}
	for e := events; e != nil && e.kind != eventEnd; e = (*event)(unsafe.Add(unsafe.Pointer(e), unsafe.Sizeof(*e))) {
		s.heard.events = append(s.heard.events, *e)
	}
	return 0 // continue
}

// Speak says a sentence of ASCII characters. The result belongs to the caller.
func (s *Synthesizer) Speak(sentence string, voice Voice) (*Speech, error) {
	s.heard = recording{}
	if s.setVoice(voice.Name) != 0 {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "eSpeak NG has no voice %q", voice.Name)
	}
	for parameter, value := range map[int32]int{parameterRate: voice.Rate, parameterPitch: voice.Pitch, parameterWordGap: voice.Gap} {
		if s.setParameter(parameter, int32(value), 0) != 0 {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "eSpeak NG refuses %+v", voice)
		}
	}
	text := append([]byte(sentence), 0)
	failed := s.synth(&text[0], uintptr(len(text)), 0, positionCharacter, 0, charactersUTF8, nil, nil) != 0
	runtime.KeepAlive(text)
	if failed {
		return nil, scout.Errorf(scout.CodeReadFailed, "eSpeak NG does not speak %q", sentence)
	}
	return &Speech{Samples: s.heard.samples, SampleRateHz: s.rate, Words: wordsOf(sentence, s.heard.events)}, nil
}

// wordsOf makes words of events. The event of a word covers all text up to the next event. The word ends at a pause or
// at the next event. A word without an end is left out.
func wordsOf(sentence string, events []event) []Word {
	type spoken struct {
		from       int // in the sentence
		start, end time.Duration
	}
	var all []spoken
	open := false // the last one has no end yet
	for _, e := range events {
		at := time.Duration(e.audioMS) * time.Millisecond
		isPause := e.kind == eventPhoneme && strings.HasPrefix(string(e.id[:]), "_")
		if open && (isPause || e.kind == eventWord) {
			all[len(all)-1].end = at
			open = false
		}
		from := int(e.textPosition) - 1
		if e.kind == eventWord && e.length > 0 && from >= 0 && from+int(e.length) <= len(sentence) {
			all = append(all, spoken{from: from, start: at})
			open = true
		}
	}
	var words []Word
	for i, s := range all {
		if i == len(all)-1 && open {
			break
		}
		to := len(sentence)
		if i+1 < len(all) {
			to = max(all[i+1].from, s.from)
		}
		first := len(words)
		for word := range strings.FieldsFuncSeq(sentence[s.from:to], between) {
			words = append(words, Word{Text: word})
		}
		if len(words) > first {
			words[first].Start, words[len(words)-1].End = &s.start, &s.end
		}
	}
	return words
}

// between reports whether a character separates words.
func between(r rune) bool { return r != '\'' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// Close ends the library.
func (s *Synthesizer) Close() error {
	if s.terminate() != 0 {
		return scout.Errorf(scout.CodeReadFailed, "end eSpeak NG")
	}
	return nil
}
