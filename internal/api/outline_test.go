package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// computed is how many outlines the server has computed.
func (s *served) computed() int { return s.counted("scout_outlines_computed_total") }

// counted is the value of a counter.
func (s *served) counted(name string) int {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return int(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return 0
}

// The outline of a recording is computed once, whatever is asked of it, and again where what was kept is damaged.
func TestPeaksAreComputedOnce(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]bool{"of a recording": false, "of an upload": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, networked)
			id, dir, suffix := string(exampleID), filepath.Join(s.dir, "recordings"), ".wav"
			if sent {
				_, j, text := s.posts("", []part{{"file", wavFile()}})
				if j.ID == "" {
					t.Fatal(text)
				}
				id, dir, suffix = j.RecordingID, filepath.Join(s.dir, "uploads"), ".audio"
			} else {
				s.record(exampleID)
			}
			kept := filepath.Join(dir, "."+id+".peaks")
			peaks := func(points string, want, computed int) string {
				t.Helper()
				response, body := s.do("GET", "/api/v1/recordings/"+id+"/peaks?points="+points, "")
				var p v1.Peaks
				if err := json.Unmarshal([]byte(body), &p); err != nil || response.StatusCode != http.StatusOK || p.Seconds != 0.25 || len(p.Peaks) != 1 || len(p.Peaks[0]) != want {
					t.Fatalf("%d %.200s", response.StatusCode, body)
				}
				if s.computed() != computed {
					t.Errorf("points=%s: %d were computed, want %d", points, s.computed(), computed)
				}
				return body
			}
			first := peaks("10", 10, 1)
			peaks("20000", 4000, 1)
			if peaks("10", 10, 1) != first {
				t.Error("what was kept is another one")
			}
			for _, damage := range []func() error{
				func() error { return os.WriteFile(kept, []byte("scoutpk1"), 0o600) },
				func() error { return os.Truncate(kept, 100) },
				func() error { return os.Remove(kept) },
			} {
				if err := damage(); err != nil {
					t.Fatal(err)
				}
				if peaks("10", 10, s.computed()+1) != first {
					t.Error("what was computed again is another one")
				}
			}
			if sent { // another program changes the bytes, and not how many they are
				audio := filepath.Join(dir, id+suffix)
				was, err := os.ReadFile(audio)
				if err != nil {
					t.Fatal(err)
				}
				loud := slices.Concat(was[:44], bytes.Repeat([]byte{0, 64}, (len(was)-44)/2))
				for content, same := range map[string]bool{string(loud): false, string(was): true} {
					if err := errors.Join(os.WriteFile(audio, []byte(content), 0o600), os.Chtimes(audio, time.Time{}, time.Now().Add(time.Hour))); err != nil {
						t.Fatal(err)
					}
					if (peaks("10", 10, s.computed()+1) == first) != same {
						t.Errorf("changed bytes: the same peaks, or others where they are as before")
					}
				}
			}
			s.do("DELETE", "/api/v1/recordings/"+id, "")
			if _, err := os.Stat(kept); err == nil {
				t.Error("it is there while the recording is in the trash")
			}
			if response, body := s.do("GET", "/api/v1/recordings/"+id+"/peaks", ""); response.StatusCode != http.StatusGone {
				t.Errorf("in the trash: %d %s", response.StatusCode, body)
			}
			if response, body := s.do("POST", "/api/v1/recordings/"+id+"/restore", ""); response.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
			peaks("10", 10, s.computed()+1)
			s.do("DELETE", "/api/v1/recordings/"+id+"?audio=only", "")
			left, err := filepath.Glob(filepath.Join(dir, "*"+id+"*"))
			hidden, _ := filepath.Glob(filepath.Join(dir, ".*"+id+"*"))
			if err != nil || len(left)+len(hidden) != 0 {
				t.Errorf("without audio (%s): %v %v", suffix, left, hidden)
			}
		})
	}
}

// What was computed of audio that was deleted meanwhile is kept nowhere.
func TestNothingIsKeptOfAudioThatIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	if err := s.folder.KeepOutline(exampleID, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.folder.Delete(exampleID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if data, err := s.folder.Outline(exampleID); scout.CodeOf(err) != scout.CodeFileNotFound {
			t.Errorf("%q, %v", data, err)
		}
		if err := s.folder.KeepOutline(exampleID, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}
