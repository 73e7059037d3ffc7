package rig

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

// peerVariable makes this test binary a peer, which behaves in the way that it names.
const peerVariable = "SCOUT_TEST_PEER"

// bePeer answers as peer.py does.
func bePeer(how string) int {
	if how == "missing" {
		fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\nModuleNotFoundError: No module named 'ctranslate2'")
		return 1
	}
	fmt.Printf("{\"version\": \"a peer %s\"}\n", os.Args[len(os.Args)-1])
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var request struct {
			Samples  int     `json:"samples"`
			Language *string `json:"language"`
		}
		if json.Unmarshal(line, &request) != nil {
			return 2
		}
		if _, err := io.CopyN(io.Discard, in, int64(4*request.Samples)); err != nil {
			return 3
		}
		language := "unknown"
		if request.Language != nil {
			language = *request.Language
		}
		switch how {
		case "dies":
			return 4
		case "fails":
			fmt.Println(`{"error": "ValueError: no such language"}`)
		default:
			fmt.Printf("{\"text\": \"%d samples\", \"language\": %q, \"cpu_seconds\": 0.25}\n", request.Samples, language)
		}
	}
}

func TestPeer(t *testing.T) { // not parallel: it sets the environment
	clip := filepath.Join(t.TempDir(), "a.wav")
	if err := writeWAV(clip, 1600, func(emit func([]float32) error) error { return emit(make([]float32, 1600)) }); err != nil {
		t.Fatal(err)
	}
	for how, c := range map[string]struct {
		start, ask string // part of the errors; empty for none
	}{
		"answers": {"", ""},
		"missing": {"No module named 'ctranslate2'", ""},
		"fails":   {"", "no such language"},
		"dies":    {"", "the peer's answer about a.wav"},
	} {
		t.Setenv(peerVariable, how)
		p, err := StartPeer(t.Context(), Reader{}, PeerOptions{Python: os.Args[0], Model: "model", Beam: 3})
		if (c.start == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.start) || !strings.Contains(scout.HintOf(err), "scripts/peer.sh")) {
			t.Errorf("%s: start: %v (%s)", how, err, scout.HintOf(err))
		}
		if err != nil {
			continue
		}
		for _, language := range []string{"de", ""} {
			heard, err := p.Transcribe(t.Context(), bench.Clip{Files: []string{clip, clip}, Language: language})
			if (c.ask == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.ask) {
				t.Errorf("%s: %v", how, err)
			}
			if heard.Audio != 200*time.Millisecond {
				t.Errorf("%s: %s of audio", how, heard.Audio)
			}
			want := map[string]string{"de": "de", "": "unknown"}[language]
			if err == nil && (heard.Text != "3200 samples" || heard.Language != want || heard.CPU != time.Second/4 || p.Version != "a peer 3") {
				t.Errorf("%+v of %s", heard, p.Version)
			}
			if err != nil {
				break
			}
		}
		if err := p.Close(); (err != nil) != (how == "dies") {
			t.Errorf("%s: close: %v", how, err)
		}
	}
}

func TestNoPeer(t *testing.T) {
	t.Parallel()
	if _, err := StartPeer(t.Context(), Reader{}, PeerOptions{Python: filepath.Join(t.TempDir(), "python")}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("%v", err)
	}
}
