//go:build linux

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
)

// A program sends sound while the daemon is killed again and again. Every frame is in the recording, and every word in the text.
func TestSoundSurvivesKilledDaemons(t *testing.T) {
	t.Parallel()
	needModel(t)
	const kills = 4
	h := inHouse(quietBooth(t))
	clip, err := os.ReadFile("../../testdata/jfk.wav")
	if err != nil {
		t.Fatal(err)
	}
	const header, part = 44, 16000 / 10 * 2 // of the clip; a tenth of a second
	sound := clip[header:]
	h.must("status") // starts one
	c := h.client()
	defer c.Close()
	l, err := c.Live(t.Context(), client.LiveOptions{Begin: v1.LiveBegin{
		Format: v1.LiveFormat{SampleRate: 16000, Channels: 1, SampleFormat: "s16"}, Title: "a speech", TextOptions: v1.TextOptions{Language: "en"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	killed, next := 0, rand.N(len(sound)/kills)
	for at := 0; at < len(sound); at += part {
		if err := l.Write(t.Context(), sound[at:min(at+part, len(sound))]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // five times as fast as it was spoken
		if at < next || killed == kills {
			continue
		}
		if holder, running := h.holder(); running && syscall.Kill(holder.PID, syscall.SIGKILL) == nil {
			killed++
			next = at + rand.N(len(sound)/kills)
			h.must("status") // starts the next one
		}
	}
	final, err := l.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !heardTheClip(final.Text) || len(plainWords(final.Text)) > 25 {
		t.Errorf("text %q after %d kills", final.Text, killed)
	}
	if killed == 0 {
		t.Error("no daemon was killed: the test tests nothing")
	}
	folder, err := recording.OpenBrowser(filepath.Join(h.data, "browser"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := folder.Verify(recording.ID(l.ID()))
	if err != nil || len(m.Gaps) > 0 || m.Title() != "a speech" {
		t.Errorf("%+v, %v", m, err)
	}
	arrived, err := os.ReadFile(folder.AudioPath(m.ID))
	if err != nil || !bytes.Equal(arrived[recording.HeaderBytes:], sound) {
		t.Errorf("%d bytes arrived, or other ones than the %d that were sent: %v", len(arrived)-recording.HeaderBytes, len(sound), err)
	}
	if got := h.must("recordings", "list").out; !strings.Contains(got, l.ID()) || !strings.Contains(got, "browser") || !strings.Contains(got, "a speech") {
		t.Errorf("list:\n%s", got)
	}
	if got := h.must("transcripts", "show", l.ID()).out; strings.TrimSpace(got) == "" {
		t.Error("there is no text")
	}
	h.must("recordings", "trash", l.ID())
	h.must("recordings", "restore", l.ID())
}

// heardTheClip reports whether a text has at least 18 of the 22 words of testdata/jfk.wav, in their order, without marks. Of a dictation that is
// killed, or fed faster than it was spoken, a word and the end of a sentence may be committed before what follows was heard.
func heardTheClip(text string) bool {
	const least = 18
	spoken := strings.Fields("and so my fellow americans ask not what your country can do for you ask what you can do for your country")
	common := make([]int, len(spoken)+1) // of the text so far and the first words of the clip: the longest common subsequence
	for _, word := range plainWords(text) {
		before := 0 // of the text without this word, and the clip without its last one
		for i, said := range spoken {
			was := common[i+1]
			if said == word {
				common[i+1] = max(was, before+1)
			}
			common[i+1] = max(common[i+1], common[i])
			before = was
		}
	}
	return common[len(spoken)] >= least
}

func plainWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}
