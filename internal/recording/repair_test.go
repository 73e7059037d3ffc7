package recording_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// crashed leaves a recording of 1000 frames as kill -9 would, and returns its id.
func crashed(t testing.TB, folder *recording.Folder, format scout.Format) recording.ID {
	t.Helper()
	w := create(t, folder, format)
	write(t, w, 400)
	if err := w.Silence(100); err != nil {
		t.Fatal(err)
	}
	w.AddGap(scout.Gap{Start: 400, Frames: 100, Reason: recording.GapDiskFull})
	if err := w.SaveManifest(); err != nil {
		t.Fatal(err)
	}
	if err := w.ShowHeader(450); err != nil {
		t.Fatal(err)
	}
	write(t, w, 500)
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	return w.ID()
}

func TestRepair(t *testing.T) {
	t.Parallel()
	odd := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS24}
	for _, c := range []struct {
		name    string
		damage  func(t *testing.T, folder *recording.Folder, id recording.ID)
		frames  uint64
		gaps    int
		rebuilt bool
	}{
		{"a crash", func(*testing.T, *recording.Folder, recording.ID) {}, 1000, 1, false},
		{"half a frame at the end", func(t *testing.T, f *recording.Folder, id recording.ID) { resize(t, f.AudioPath(id), -2) }, 999, 1, false},
		{"an end within the gap", func(t *testing.T, f *recording.Folder, id recording.ID) { resize(t, f.AudioPath(id), -3*550) }, 450, 1, false},
		{"an end before the gap", func(t *testing.T, f *recording.Folder, id recording.ID) { resize(t, f.AudioPath(id), -3*700) }, 300, 0, false},
		{"a header that is zeros", func(t *testing.T, f *recording.Folder, id recording.ID) {
			overwrite(t, f.AudioPath(id), 0, make([]byte, recording.HeaderBytes))
		}, 1000, 1, false},
		{"a header with a damaged byte", func(t *testing.T, f *recording.Folder, id recording.ID) {
			overwrite(t, f.AudioPath(id), 50, []byte{99})
		}, 1000, 1, false},
		{"a file without a byte", func(t *testing.T, f *recording.Folder, id recording.ID) { resize(t, f.AudioPath(id), -1<<30) }, 0, 0, false},
		{"a manifest that is no JSON", func(t *testing.T, f *recording.Folder, id recording.ID) {
			overwrite(t, f.ManifestPath(id), 5, []byte{0, 0, 0, 0})
		}, 1000, 0, true},
		{"a manifest of another recording", func(t *testing.T, f *recording.Folder, id recording.ID) {
			other := strings.Replace(string(readFile(t, f.ManifestPath(id))), string(id), string(recording.NewID(time.Now())), 1)
			restoreFile(t, f.ManifestPath(id), []byte(other))
		}, 1000, 0, true},
		{"an empty manifest", func(t *testing.T, f *recording.Folder, id recording.ID) { restoreFile(t, f.ManifestPath(id), nil) }, 1000, 0, true},
		{"a manifest of a later version", func(t *testing.T, f *recording.Folder, id recording.ID) {
			later := strings.Replace(string(readFile(t, f.ManifestPath(id))), `"version": 1`, `"version": 2`, 1)
			restoreFile(t, f.ManifestPath(id), []byte(later))
		}, 1000, 0, true},
		{"no manifest", func(t *testing.T, f *recording.Folder, id recording.ID) { remove(t, f.ManifestPath(id)) }, 1000, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder, _ := openFolder(t)
			id := crashed(t, folder, odd)
			c.damage(t, folder, id)
			report := repair(t, folder)
			if len(report.Repaired) != 1 || len(report.Problems) != 0 {
				t.Fatalf("repair: %+v", report)
			}
			m := report.Repaired[0].Manifest
			if m.State != recording.StateRecovered || m.EndReason != recording.EndCrash || m.Frames != c.frames || len(m.Gaps) != c.gaps || m.Rebuilt != c.rebuilt {
				t.Errorf("recovered %+v; want %d frames, %d gaps, rebuilt %v", m, c.frames, c.gaps, c.rebuilt)
			}
			if !c.rebuilt {
				checkAudio(t, folder, m)
			}
			verified, err := folder.Verify(id)
			if err != nil {
				t.Error(err)
			}
			if want := odd.Duration(c.frames); verified.EndedAt.Sub(verified.StartedAt) != want {
				t.Errorf("ends %s after its start, want %s", verified.EndedAt.Sub(verified.StartedAt), want)
			}
			before := contents(t, folder.Dir())
			if again := repair(t, folder); len(again.Repaired) != 0 || len(again.Problems) != 0 {
				t.Errorf("a second repair found %+v", again)
			}
			if after := contents(t, folder.Dir()); after != before {
				t.Errorf("a second repair changed the folder")
			}
			if c.frames > 0 {
				if got, want := ffprobe(t, folder.AudioPath(id)), "pcm_s24le,16000,1,"; !strings.HasPrefix(got, want) {
					t.Errorf("ffprobe says %s, want %s", got, want)
				}
			}
		})
	}
}

func TestRepairLeavesAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, folder *recording.Folder)
		want    []scout.Code
	}{
		{"finished recordings", func(t *testing.T, f *recording.Folder) {
			w := create(t, f, speech)
			write(t, w, 100)
			finish(t, w)
		}, nil},
		{"a WAV of another program", func(t *testing.T, f *recording.Folder) {
			restoreFile(t, filepath.Join(f.Dir(), "holiday.wav"), []byte("RIFF\x24\x00\x00\x00WAVEfmt "))
		}, []scout.Code{scout.CodeRecordingForeign}},
		{"a folder", func(t *testing.T, f *recording.Folder) {
			if err := os.Mkdir(filepath.Join(f.Dir(), "more"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, []scout.Code{scout.CodeRecordingForeign}},
		{"a foreign file under a name of ours", func(t *testing.T, f *recording.Folder) {
			restoreFile(t, f.AudioPath(recording.NewID(time.Now())), []byte("fLaC"))
		}, []scout.Code{scout.CodeRecordingForeign}},
		{"a recording copied under another name", func(t *testing.T, f *recording.Folder) {
			m := finish(t, create(t, f, speech))
			restoreFile(t, f.AudioPath(recording.NewID(time.Now())), readFile(t, f.AudioPath(m.ID)))
		}, []scout.Code{scout.CodeRecordingForeign}},
		{"audio that vanished", func(t *testing.T, f *recording.Folder) {
			remove(t, f.AudioPath(finish(t, create(t, f, speech)).ID))
		}, []scout.Code{scout.CodeRecordingNotFound}},
		{"audio that shrank", func(t *testing.T, f *recording.Folder) {
			w := create(t, f, speech)
			write(t, w, 100)
			resize(t, f.AudioPath(finish(t, w).ID), -20)
		}, []scout.Code{scout.CodeRecordingCorrupt}},
		{"what has neither header nor manifest", func(t *testing.T, f *recording.Folder) {
			restoreFile(t, f.AudioPath(recording.NewID(time.Now())), make([]byte, 1000))
		}, []scout.Code{scout.CodeRecordingCorrupt}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder, _ := openFolder(t)
			c.prepare(t, folder)
			before := contents(t, folder.Dir())
			report := repair(t, folder)
			var got []scout.Code
			for _, p := range report.Problems {
				got = append(got, scout.CodeOf(p.Err))
			}
			if len(report.Repaired) != 0 || len(got) != len(c.want) || (len(got) > 0 && got[0] != c.want[0]) {
				t.Errorf("repaired %v, problems %v; want none repaired, problems %v", report.Repaired, got, c.want)
			}
			if after := contents(t, folder.Dir()); after != before {
				t.Errorf("the folder changed:\n%s\n%s", before, after)
			}
		})
	}
}

func TestRepairRemovesWhatNeverBegan(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	id := crashed(t, folder, speech)
	remove(t, folder.AudioPath(id))
	restoreFile(t, filepath.Join(folder.Dir(), "."+string(id)+".json.123.tmp"), []byte("{"))
	if report := repair(t, folder); len(report.Repaired)+len(report.Problems) != 0 {
		t.Errorf("repair: %+v", report)
	}
	if got := names(t, folder.Dir()); strings.Contains(got, string(id)) {
		t.Errorf("left behind: %s", got)
	}
}

func TestResumeGoesOnWhereTheFileEnds(t *testing.T) {
	t.Parallel()
	for _, repaired := range []bool{false, true} {
		folder, _ := openFolder(t)
		id := crashed(t, folder, speech)
		resize(t, folder.AudioPath(id), -1) // half a frame
		if repaired {
			repair(t, folder)
		}
		w, err := folder.Resume(id)
		if err != nil {
			t.Fatal(err)
		}
		if w.Frames() != 999 {
			t.Fatalf("%d frames, want 999", w.Frames())
		}
		if err := w.Silence(201); err != nil {
			t.Fatal(err)
		}
		w.AddGap(scout.Gap{Start: 999, Frames: 201, Reason: recording.GapRestart})
		write(t, w, 300)
		m := finish(t, w)
		if m.Frames != 1500 || len(m.Gaps) != 2 || m.Resumed != 1 || m.State != recording.StateFinished {
			t.Errorf("manifest %+v", m)
		}
		checkAudio(t, folder, m)
		if _, err := folder.Verify(id); err != nil {
			t.Error(err)
		}
		if _, err := folder.Resume(id); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("resume of a finished recording: %v", err)
		}
	}
}

func TestVerifyFindsAChangedBit(t *testing.T) {
	t.Parallel()
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 1000)
	m := finish(t, w)
	overwrite(t, folder.AudioPath(m.ID), recording.HeaderBytes+500, []byte{0})
	if _, err := folder.Verify(m.ID); scout.CodeOf(err) != scout.CodeRecordingCorrupt {
		t.Errorf("Verify = %v, want %s", err, scout.CodeRecordingCorrupt)
	}
}

func FuzzManifest(f *testing.F) {
	folder, err := recording.OpenFolder(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	w := create(f, folder, speech)
	w.AddGap(scout.Gap{Start: 0, Frames: 1, Reason: recording.GapDiskFull})
	m := finish(f, w)
	f.Add(readFile(f, folder.ManifestPath(m.ID)))
	f.Add([]byte(`{"version":1,"gaps":[{"start":18446744073709551615,"frames":2}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		restoreFile(t, folder.ManifestPath(m.ID), data)
		got, err := folder.Manifest(m.ID)
		if err != nil {
			if code := scout.CodeOf(err); code != scout.CodeRecordingCorrupt {
				t.Errorf("code %s: %v", code, err)
			}
			return
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("accepted what cannot be written: %v", err)
		}
		var end scout.Position
		for _, g := range got.Gaps {
			if g.Start < end || g.End() < g.Start || g.Frames == 0 {
				t.Errorf("accepted gaps %v", got.Gaps)
			}
			end = g.End()
		}
	})
}

func resize(t testing.TB, path string, by int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, max(0, info.Size()+by)); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t testing.TB, path string, at int, with []byte) {
	t.Helper()
	content := readFile(t, path)
	copy(content[at:], with)
	restoreFile(t, path, content)
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// contents returns names and contents of a folder.
func contents(t testing.TB, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Base(path) == recording.LockName {
			return err
		}
		content, err := os.ReadFile(path)
		all.WriteString(path + ": " + string(content) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Repair skips the recording that is about to be resumed: reading all of a long one would delay it. Its checksum is
// right all the same when it ends.
func TestRepairSkipsARecordingToResume(t *testing.T) {
	t.Parallel()
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	format := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}
	w, err := folder.Create(recording.Settings{Format: format, StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte{1, 2}, 4000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	if report, err := folder.Repair(w.ID()); err != nil || len(report.Repaired) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if m, err := folder.Manifest(w.ID()); err != nil || m.State != recording.StateRecording {
		t.Errorf("manifest %+v, %v", m, err)
	}
	again, err := folder.Resume(w.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Write(bytes.Repeat([]byte{3, 4}, 1000)); err != nil {
		t.Fatal(err)
	}
	if m, err := again.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil || m.Frames != 5000 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if _, err := folder.Verify(w.ID()); err != nil {
		t.Error(err)
	}
	if one, err := folder.RepairOne(w.ID()); err != nil || one != nil {
		t.Errorf("%+v, %v", one, err)
	}
}
