package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

// hardAudio makes inputs that are hard for the model, or in which nothing is said. The first word of a name is the
// program that makes the input; without that program, the test is skipped.
type hardAudio struct {
	espeak []string // arguments; the text last
	ffmpeg []string // arguments in front of the output; CLIP stands for the clip
}

func (h hardAudio) make(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.wav")
	name, args := "espeak-ng", append([]string{"-w", path}, h.espeak...)
	if h.ffmpeg != nil {
		name, args = "ffmpeg", append([]string{"-v", "error", "-nostdin"}, append(h.ffmpeg, path)...)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "CLIP", clip)
		}
	}
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return path
}

// lostDocument is the part of the JSON that says what happened to the audio.
type lostDocument struct {
	Duration float64
	Text     string
	Segments []struct {
		Words []struct {
			Word       string
			Start, End *float64
		}
	}
	SetAside []struct {
		Start, End   float64
		Code, Reason string
	} `json:"set_aside"`
	Warnings []struct{ Code, Message string }
}

const (
	upToThirty = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty " +
		"twenty one twenty two twenty three twenty four twenty five twenty six twenty seven twenty eight twenty nine thirty"
	zeros = "zero zero zero zero zero one zero zero one zero zero zero zero one zero zero zero zero one zero zero"
)

// TestSpeechIsNeverLostInSilence transcribes audio in which models lose their way. Speech becomes text, or is set aside
// with exit code 1 and a line. If nothing is said, the exit code is 0, and there is a line.
func TestSpeechIsNeverLostInSilence(t *testing.T) {
	t.Parallel()
	needModel(t)
	espeak := func(voice, rate, text string) hardAudio {
		return hardAudio{espeak: []string{"-v", voice, "-s", rate, text}}
	}
	sound := func(source string) hardAudio { return hardAudio{ffmpeg: []string{"-f", "lavfi", "-i", source}} }
	const (
		speechIn = "" // a text, or set aside
		nothing  = "nothing_said"
		silent   = "only_silence"
	)
	type hard struct {
		audio   hardAudio
		warning string   // code; empty for speech
		missing float64  // share of the audio that is loud and may be without text and not set aside
		words   []string // that have to be heard
	}
	tests := map[string]hard{
		"counting":           {espeak("en-us", "120", upToThirty), speechIn, 0.25, []string{"thirteen", "sixteen"}},
		"counting, a woman":  {espeak("en-us+f3", "140", upToThirty), speechIn, 0.25, nil},
		"counting slowly":    {espeak("en-gb", "90", upToThirty[:81]), speechIn, 0.3, nil},
		"zeros and ones":     {espeak("en-us", "120", zeros), speechIn, 0.25, []string{"zero", "one"}},
		"no, twenty times":   {espeak("en-us", "120", strings.Repeat("no ", 20)), speechIn, 0.25, []string{"no"}},
		"yes, fifteen times": {espeak("en-us+m3", "170", strings.Repeat("yes ", 15)), speechIn, 0.3, nil},
		"ask not, thirty times": {
			hardAudio{ffmpeg: []string{"-f", "lavfi", "-i", "amovie=CLIP,atrim=3.2:4.2,asetpts=PTS-STARTPTS,aloop=loop=29:size=16000"}}, speechIn, 0.25, nil,
		},
		"the alphabet":       {espeak("en-gb+f2", "120", "a b c d e f g h i j k l m n o p q r s t u v w x y z"), speechIn, 0.35, nil},
		"a phone number":     {espeak("en-us+m2", "130", "zero zero four nine, one one one one, five five five, zero zero zero"), speechIn, 0.35, nil},
		"quiet by 72 dB":     {hardAudio{ffmpeg: []string{"-i", "CLIP", "-af", "volume=-72dB"}}, speechIn, 0.2, []string{"country"}},
		"quiet by 60 dB":     {hardAudio{ffmpeg: []string{"-i", "CLIP", "-af", "volume=-60dB"}}, speechIn, 0.2, []string{"country"}},
		"direct current":     {hardAudio{ffmpeg: []string{"-i", "CLIP", "-af", "dcshift=0.4"}}, speechIn, 0.2, []string{"country"}},
		"a word behind 20 s": {hardAudio{ffmpeg: []string{"-i", "CLIP", "-af", "atrim=0:2.4,adelay=20000"}}, speechIn, 1, []string{"fellow"}},

		"silence":       {sound("anullsrc=r=16000:cl=mono:d=5"), silent, 1, nil},
		"faint noise":   {sound("anoisesrc=c=white:r=16000:d=5:a=0.0001"), silent, 1, nil},
		"noise":         {sound("anoisesrc=c=pink:r=16000:d=8:a=0.3"), nothing, 1, nil},
		"a tone":        {sound("sine=f=440:r=16000:d=8"), nothing, 1, nil},
		"dialled tones": {sound("aevalsrc='0.3*lt(mod(t,0.4),0.2)*(sin(2*PI*697*t)+sin(2*PI*1209*t))':s=16000:d=8"), nothing, 1, nil},
		"clicks":        {sound("aevalsrc='lt(mod(t,0.7),0.01)*(random(0)-0.5)':s=16000:d=8"), nothing, 1, nil},
		"a melody":      {sound("aevalsrc='0.3*sin(2*PI*220*pow(2,floor(mod(t*3,8))/12)*t)*exp(-3*mod(t,0.333))':s=16000:d=8"), nothing, 1, nil},
	}
	for name, test := range testrun.SomeOf(t, tests,
		"counting", "zeros and ones", "no, twenty times", "ask not, thirty times", "a phone number", "quiet by 72 dB", "direct current",
		"a word behind 20 s", "silence", "faint noise", "noise", "dialled tones") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := outcomeOf(t, command(t.Context(), "transcribe", "-q", "-f", "json", test.audio.make(t)))
			var doc lostDocument
			if err := json.Unmarshal([]byte(got.out), &doc); err != nil {
				t.Fatalf("exit %d, %v: %s", got.code, err, got.err)
			}
			t.Logf("%.1f s: %q, %+v, %s", doc.Duration, doc.Text, doc.SetAside, got.err)
			if test.warning != "" {
				if got.code != 0 || doc.Text != "" || len(doc.SetAside) > 0 || len(doc.Warnings) != 1 || doc.Warnings[0].Code != test.warning ||
					strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, doc.Warnings[0].Message) {
					t.Errorf("exit %d, warnings %+v: want one line and %s", got.code, doc.Warnings, test.warning)
				}
				return
			}
			if want := min(len(doc.SetAside), 1); got.code != want || (strings.Count(got.err, "\n") > 0) != (want > 0) {
				t.Errorf("exit %d with %d stretches set aside and %q", got.code, len(doc.SetAside), got.err)
			}
			for _, word := range test.words {
				if !regexp.MustCompile(`(?i)\b` + word + `\b`).MatchString(doc.Text) {
					t.Errorf("%q was not heard", word)
				}
			}
			if missing := doc.unnamed(); missing > test.missing*doc.Duration {
				t.Errorf("%.1f of %.1f s are neither text nor set aside", missing, doc.Duration)
			}
			doc.checkWords(t)
		})
	}
}

// unnamed returns how many seconds are further than half a second from any word, and not set aside.
func (d *lostDocument) unnamed() float64 {
	const step, near = 0.1, 0.5
	seconds := 0.0
	for at := 0.0; at < d.Duration; at += step {
		named := false
		for _, a := range d.SetAside {
			named = named || at >= a.Start && at <= a.End
		}
		for _, s := range d.Segments {
			for i, w := range s.Words {
				if w.Start == nil { // it stands between its neighbours
					named = named || i > 0 && i+1 < len(s.Words) && s.Words[i-1].End != nil && s.Words[i+1].Start != nil &&
						at >= *s.Words[i-1].End && at <= *s.Words[i+1].Start
					continue
				}
				named = named || at >= *w.Start-near && at <= *w.End+near
			}
		}
		if !named {
			seconds += step
		}
	}
	return seconds
}

var repeatedNumber = regexp.MustCompile(`^(?:.*\D)?(\d+)$`)

// checkWords checks that no number occurs five times in a row, and no word is too long for its time.
func (d *lostDocument) checkWords(t *testing.T) {
	t.Helper()
	inRow, last := 0, ""
	for _, s := range d.Segments {
		for _, w := range s.Words {
			for _, unit := range regexp.MustCompile(`[\pL\d]+`).FindAllString(w.Word, -1) {
				if unit != last {
					inRow, last = 0, unit
				}
				if inRow++; inRow >= 5 && repeatedNumber.MatchString(unit) {
					t.Errorf("%q stands %d times in a row", unit, inRow)
				}
			}
			if w.Start != nil && float64(len(w.Word)) > 10+25*(*w.End-*w.Start) {
				t.Errorf("%q was said in %.2f s", w.Word, *w.End-*w.Start)
			}
		}
	}
}

// TestShortWords prints what the model hears in commands of one word. Whatever it is, none is empty without a line.
func TestShortWords(t *testing.T) {
	t.Parallel()
	needModel(t)
	type command struct{ voice, word string }
	said := map[string]command{}
	texts := t.TempDir()
	args := []string{"transcribe", "-q", "-o", texts + "/"}
	for v, voice := range []string{"en-us", "en-gb+f3"} {
		for _, word := range []string{"stop", "yes", "no", "go", "ok", "help"} {
			name := fmt.Sprintf("%s-%d", word, v)
			path := filepath.Join(texts, name+".wav")
			if err := os.Rename(hardAudio{espeak: []string{"-v", voice, word}}.make(t), path); err != nil {
				t.Fatal(err)
			}
			said[name] = command{voice, word}
			args = append(args, path)
		}
	}
	got := scoutRun(t, nil, args...)
	right, all := 0, 0
	for name, c := range said {
		text, err := os.ReadFile(filepath.Join(texts, name+".txt"))
		if err != nil {
			t.Errorf("%s, %s: %v", c.word, c.voice, err)
		}
		heard := strings.Trim(strings.ToLower(strings.TrimSpace(string(text))), ".,!?")
		all++
		if heard == c.word || c.word == "ok" && heard == "okay" {
			right++
		}
		t.Logf("%-8s %-6s %q", c.voice, c.word, heard)
		if heard == "" && !strings.Contains(got.err, name+".wav") {
			t.Errorf("%s, %s: no word and no line", c.word, c.voice)
		}
	}
	t.Logf("exit %d, %s", got.code, got.err)
	t.Logf("%d of %d words are right", right, all)
}
