package bench_test

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

// polyglot answers with texts, and remembers what it was told.
type polyglot struct {
	texts map[string]string
	cpu   time.Duration // for each second of audio
	told  []string
}

func (p *polyglot) Transcribe(_ context.Context, clip bench.Clip) (bench.Heard, error) {
	p.told = append(p.told, clip.Language)
	name := filepath.Base(clip.Files[0])
	return bench.Heard{Text: p.texts[name], Audio: 5 * time.Second, CPU: 5 * p.cpu, Language: name[:2]}, nil
}

func polyglots() []bench.Entry {
	return []bench.Entry{
		{File: "de1.wav", Reference: "Der Löwe schläft heute Nacht.", Language: "de"},
		{File: "ja1.wav", Reference: "これは、テスト。", Language: "ja"},
		{File: "zh1.wav", Reference: "我们有 2 台电脑", Language: "zh"},
		{File: "de2.wav", Reference: "Guten Tag", Language: "de"},
	}
}

// Languages that are written without spaces are counted in characters, and neither count nor figure is mixed with words.
func TestLanguages(t *testing.T) {
	t.Parallel()
	for _, normaliser := range []bench.Normaliser{bench.NormaliserScout, bench.NormaliserWhisper} {
		subject := &polyglot{texts: map[string]string{
			"de1.wav": "Der Löwe schläft morgen Nacht", "ja1.wav": "これはテスド", "zh1.wav": "我们有2台电脑。", "de2.wav": "guten tag!",
		}}
		r, err := bench.Run(t.Context(), subject, polyglots(), bench.Options{Normaliser: normaliser})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(subject.told, []string{"de", "ja", "zh", "de"}) {
			t.Errorf("told %q", subject.told)
		}
		var lines []string
		for i := range r.Languages {
			l := &r.Languages[i]
			lines = append(lines, strings.Join([]string{l.Language, string(l.Unit)}, " "))
			want := map[string]float64{"de": 1.0 / 7, "ja": 1.0 / 6, "zh": 0, " word": 1.0 / 7, " character": 1.0 / 13}
			key := l.Language
			if key == "" {
				key = " " + string(l.Unit)
			}
			if rate := l.Rate(); rate == nil || math.Abs(rate.Value-want[key]) > 1e-9 {
				t.Errorf("%s: %s: %+v, want %g", normaliser, key, rate, want[key])
			}
			if l.Heard != l.Files || l.Right != l.Files {
				t.Errorf("%s: language heard %d, right %d of %d", key, l.Heard, l.Right, l.Files)
			}
		}
		if want := []string{"de word", "ja character", "zh character", " word", " character"}; !slices.Equal(lines, want) {
			t.Errorf("%q", lines)
		}
		if r.Total.Words.Reference != 7 || r.Total.Words.Errors() != 1 {
			t.Errorf("words %+v", r.Total.Words)
		}
	}
}

func TestTheLanguageThatIsTold(t *testing.T) {
	t.Parallel()
	for language, want := range map[string][]string{"": {"de", "ja", "zh", "de"}, "fr": {"fr", "fr", "fr", "fr"}, bench.AutoLanguage: {"", "", "", ""}} {
		subject := &polyglot{}
		r, err := bench.Run(t.Context(), subject, polyglots(), bench.Options{Language: language})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(subject.told, want) {
			t.Errorf("%q: told %q", language, subject.told)
		}
		if language == bench.AutoLanguage && r.Files[1].Language != "ja" {
			t.Errorf("counted as %q", r.Files[1].Language)
		}
	}
}

// The peer gets each clip directly after Scout, and the difference is paired by clip.
func TestPeer(t *testing.T) {
	t.Parallel()
	texts := map[string]string{"de1.wav": "Der Löwe schläft heute Nacht", "ja1.wav": "これはテスト", "zh1.wav": "我们有2台电脑", "de2.wav": "guten tag"}
	subject, peer := &polyglot{texts: texts, cpu: time.Second / 10}, &polyglot{texts: map[string]string{}, cpu: time.Second / 2}
	for name, text := range texts {
		peer.texts[name] = strings.ReplaceAll(text, "e", "i")
	}
	r, err := bench.Run(t.Context(), subject, polyglots(), bench.Options{Peer: peer, PeerSetup: bench.Setup{Version: "the other 1.0"}, WarmUp: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(subject.told) != 5 || len(peer.told) != 5 || len(r.Peer.Files) != 4 {
		t.Errorf("transcribed %d and %d times, %d files", len(subject.told), len(peer.told), len(r.Peer.Files))
	}
	c := r.AgainstPeer
	if c.Total.Files != 2 || c.Total.After != 0 || c.Total.Before <= 0 || c.Total.Delta.Value != -c.Total.Before || c.Total.Delta.High > 0 {
		t.Errorf("words %+v", c.Total)
	}
	if c.Characters == nil || c.Characters.Files != 2 || c.Characters.Before != 0 || c.Characters.After != 0 {
		t.Errorf("characters %+v", c.Characters)
	}
	if math.Abs(c.CPU-0.2) > 1e-9 || math.Abs(c.CPUBrief-0.2) > 1e-9 || c.CPULong != 0 || len(c.Languages) != 3 {
		t.Errorf("%+v", c)
	}
	var table bytes.Buffer
	if err := r.WritePeer(&table); err != nil || !strings.Contains(table.String(), "the other 1.0") || !strings.Contains(table.String(), "processor time: 0.20 times the peer's") {
		t.Errorf("%v\n%s", err, table.String())
	}
	if _, err := bench.Run(t.Context(), subject, polyglots(), bench.Options{Peer: peer, Setup: bench.Setup{Mode: bench.Joined}}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("joined clips: %v", err)
	}
}

// What a text says again is told apart from what was said again.
func TestRepeated(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		reference, text string
		want            bench.Repeated
	}{
		"nothing":                           {"a b c d", "a b c d", bench.Repeated{}},
		"a loop of one word":                {"we know that", "we know know know know know that", bench.Repeated{Loops: 1}},
		"a loop of a phrase":                {"thank you all", strings.Repeat("thank you all ", 6), bench.Repeated{Loops: 1}},
		"a sentence said twice":             {"the cat sat on the mat", "the cat sat on the mat the cat sat on the mat", bench.Repeated{Twice: 1}},
		"a long piece said twice":           {letters(0, 60), letters(0, 60) + " " + letters(0, 60), bench.Repeated{Twice: 1}},
		"two words said twice by chance":    {"that that he", "that he that he", bench.Repeated{Lost: 1}},
		"a real repetition":                 {"no no no no no no", "no no no no no no", bench.Repeated{}},
		"a real repetition, once more":      {"no no no no", "no no no no no", bench.Repeated{}},
		"a real repetition, shortened":      {"no no no no no no", "no no", bench.Repeated{Lost: 1}},
		"a real repetition, much longer":    {"no no no", strings.Repeat("no ", 20), bench.Repeated{Loops: 1}},
		"a real repetition, heard as other": {"no no no", "know go", bench.Repeated{}},
		"a real repetition, heard wrong":    {"a b c d a b c d", "a x c d a x c d", bench.Repeated{}},
		"a word of it, heard wrong once":    {"a b c d a b c d", "a b c d a x c d", bench.Repeated{}},
		"a word of it, left out once":       {"a b c d e f a b c d e f", "a b c d e f a b c e f", bench.Repeated{}},
		"the end, not said again":           {"x y z a b c d a b c d", "x y z a b c d", bench.Repeated{Lost: 1}},
		"once, and half of it again":        {"a b c d a b c d", "a b c d a b", bench.Repeated{Lost: 1}},
		"all wrong, one stands elsewhere":   {"no no no but no", "go go go but no", bench.Repeated{}},
		"one word, heard wrong each time":   {"no no no no then", "go go go go then", bench.Repeated{}},
		"tear down the fence":               {"tear down the fence tear down the fence", "tear down the fence tear down the fence", bench.Repeated{}},
	} {
		subject := &polyglot{texts: map[string]string{"xx.wav": c.text}}
		r, err := bench.Run(t.Context(), subject, []bench.Entry{{File: "xx.wav", Reference: c.reference}}, bench.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Files[0].Repeated; got != c.want || r.Total.Repeated != c.want {
			t.Errorf("%s: %+v, want %+v", situation, got, c.want)
		}
	}
}

// letters returns that many different words.
func letters(from, to int) string {
	var words []string
	for i := from; i < to; i++ {
		words = append(words, "w"+strings.Repeat("x", i/26)+string(rune('a'+i%26)))
	}
	return strings.Join(words, " ")
}
