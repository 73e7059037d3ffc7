//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/page"
	"github.com/scout-speech/scout/internal/recording"
)

// People use the page in a real browser, with one daemon for all its places. testdata/page/run.mjs says what they do; what they must find is there,
// and what must be on the disk is here.
func TestThePageInABrowser(t *testing.T) { //nolint:paralleltest // a browser takes a processor for a minute, which tests beside it need for sound in real time
	needModel(t)
	node, chromium, playwright := needBrowser(t)
	if _, err := fs.Stat(page.Built(), "index.html"); err != nil {
		t.Skip("the page was not built: make build")
	}
	axe, err := filepath.Abs("../../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	why := ""
	t.Cleanup(func() { // the last word: what the programs say before it is long
		if why != "" {
			t.Error(why)
		}
	})
	b := newBooth(t)
	h := inHouse(b)
	h.place(h.data+".toml", "")
	h.env = append(h.env, "SCOUT_CONFIG="+h.data+".toml")
	server, _ := h.atAnAddress()
	sound, err := filepath.Abs(clip)
	if err != nil {
		t.Fatal(err)
	}
	speak(b, sound)
	given, err := json.Marshal(map[string]any{
		"playwright": playwright, "chromium": chromium, "axe": axe, "server": server, "clip": sound, "link": strings.TrimSpace(h.must("open", "--print").out),
	})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), node, "testdata/page/run.mjs")
	run.Stdin = bytes.NewReader(given)
	got := outcomeOf(t, run)
	// Sent are the recordings of the browser's microphone: what the page counted must be on the disk.
	var told struct {
		Sent []struct {
			ID     string
			Frames uint64
		}
	}
	if err := json.Unmarshal([]byte(got.out), &told); err != nil || got.code != 0 {
		why = got.err[max(0, len(got.err)-3000):]
		t.Fatalf("exit %d, %v: %s%s", got.code, err, got.out, got.err)
	}
	folder, err := recording.OpenBrowser(filepath.Join(h.data, "browser"))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range told.Sent {
		m, err := folder.Verify(recording.ID(one.ID))
		if err != nil || m.Frames < one.Frames || len(m.Gaps) > 0 {
			t.Errorf("%+v, %v: want %d frames without a gap", m, err, one.Frames)
		}
	}
	if len(told.Sent) < 3 {
		t.Errorf("the page told of %d recordings only", len(told.Sent))
	}
}

// speak plays a clip into the machine's microphone again and again, until the test ends.
func speak(b *booth, path string) {
	ended := make(chan struct{})
	b.t.Cleanup(func() { close(ended) })
	player := b.mic.PlayFile(path)
	go func() { // ended by the clean-up of the test
		for {
			select {
			case <-ended:
				return
			case <-player.Done():
				next := exec.Command("paplay", "--device="+b.mic.Sink, path)
				next.Env = b.server.Env()
				if next.Run() != nil { // the sound server has ended
					return
				}
			}
		}
	}()
}
