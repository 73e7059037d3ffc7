package recording_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

// The recorder notices within a second when another program deletes, moves or truncates its files. It reports that and saves the
// audio again: in the end all of it is on disk, where the manifest says.
func TestFilesThatVanishAreSavedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(t *testing.T, p *pumping, dir, wav string)
		want recording.Damage
		// elsewhere: the folder cannot take the recording any more.
		elsewhere bool
	}{
		{
			name: "the file is deleted", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, _, wav string) { check(t, os.Remove(wav)) },
		},
		{
			name: "the file is renamed in its folder", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, dir, wav string) {
				check(t, os.Rename(wav, filepath.Join(dir, "mine.wav")))
			},
		},
		{
			name: "the file is moved away", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, _, wav string) {
				check(t, os.Rename(wav, filepath.Join(t.TempDir(), "moved.wav")))
			},
		},
		{
			name: "another file takes its place", want: recording.DamageReplaced,
			do: func(t *testing.T, _ *pumping, dir, wav string) {
				other := filepath.Join(dir, "other")
				restoreFile(t, other, []byte("RIFF of somebody else"))
				check(t, os.Rename(other, wav))
			},
		},
		{
			name: "a link takes its place", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, dir, wav string) {
				check(t, os.Remove(wav))
				check(t, os.Symlink(filepath.Join(dir, "nowhere"), wav))
			},
		},
		{
			name: "a folder takes its place", want: recording.DamageReplaced,
			do: func(t *testing.T, _ *pumping, _, wav string) {
				check(t, os.Remove(wav))
				check(t, os.Mkdir(wav, 0o700))
			},
		},
		{
			name: "the file is cut off", want: recording.DamageTruncated,
			do: func(t *testing.T, _ *pumping, _, wav string) { check(t, os.Truncate(wav, 20_000)) },
		},
		{
			name: "the file is emptied", want: recording.DamageTruncated,
			do: func(t *testing.T, _ *pumping, _, wav string) { check(t, os.Truncate(wav, 0)) },
		},
		{
			name: "the file is overwritten by a longer one", want: recording.DamageOverwritten,
			do: func(t *testing.T, _ *pumping, _, wav string) {
				// Not by os.WriteFile, which cuts the file off first: that may be seen, too.
				f, err := os.OpenFile(wav, os.O_WRONLY, 0)
				check(t, err)
				_, err = f.WriteAt(make([]byte, 1<<20), 0)
				check(t, err)
				check(t, f.Close())
			},
		},
		{
			name: "the header is overwritten", want: recording.DamageOverwritten,
			do: func(t *testing.T, _ *pumping, _, wav string) {
				f, err := os.OpenFile(wav, os.O_WRONLY, 0)
				check(t, err)
				_, err = f.WriteAt([]byte("nobody's header, and no id in it at all, whatever stood here before, and a bit longer than that, so that the id is gone"), 0)
				check(t, err)
				check(t, f.Close())
			},
		},
		{
			name: "the folder is deleted", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, dir, _ string) { check(t, os.RemoveAll(dir)) },
		},
		{
			name: "the folder is renamed", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, dir, _ string) { check(t, os.Rename(dir, dir+".old")) },
		},
		{
			name: "a link takes the folder's place", want: recording.DamageGone,
			do: func(t *testing.T, _ *pumping, dir, _ string) {
				check(t, os.Rename(dir, dir+".old"))
				check(t, os.Symlink(t.TempDir(), dir))
			},
		},
		{
			name: "a file takes the folder's place", want: recording.DamageGone, elsewhere: true,
			do: func(t *testing.T, _ *pumping, dir, _ string) {
				check(t, os.Rename(dir, dir+".old"))
				restoreFile(t, dir, nil)
			},
		},
		{
			name: "the manifest is deleted", want: recording.DamageManifest,
			do: func(t *testing.T, p *pumping, _, _ string) { check(t, os.Remove(p.folder.ManifestPath(p.writer.ID()))) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := startPump(t, time.Minute, nil)
				time.Sleep(2 * time.Second)
				c.do(t, p, p.folder.Dir(), p.folder.AudioPath(p.writer.ID()))
				time.Sleep(time.Second)
				synctest.Wait()
				if len(p.saved) != 1 || p.saved[0].Damage != c.want || p.lost[0] != nil || p.saved[0].Elsewhere != c.elsewhere {
					t.Fatalf("within a second: %+v, %v", p.saved, p.lost)
				}
				time.Sleep(time.Second)
				m, err := p.finish(t)
				check(t, err)
				folder := p.writer.Folder()
				if c.elsewhere == (folder.Dir() == p.folder.Dir()) || p.saved[0].Path != folder.AudioPath(m.ID) {
					t.Errorf("it is in %s, it says %s", folder.Dir(), p.saved[0].Path)
				}
				if m.Frames < speech.Frames(3900*time.Millisecond) || len(m.Gaps) != 0 || len(p.saved) != 1 {
					t.Errorf("manifest %+v, told %+v", m, p.saved)
				}
				checkAudio(t, folder, m)
				if _, err := folder.Verify(m.ID); err != nil {
					t.Error(err)
				}
				if c.elsewhere {
					check(t, os.RemoveAll(folder.Dir()))
				}
			})
		})
	}
}

// The ring still has the last minute of audio that another program destroyed. Older audio is lost: it becomes a gap, which is reported.
func TestDestroyedAudioBecomesAGap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		do     func(t *testing.T, p *pumping, wav string)
		reason scout.GapReason
	}{
		{"the file is emptied", func(t *testing.T, _ *pumping, wav string) { check(t, os.Truncate(wav, 0)) }, recording.GapFileTruncated},
		{"the file is overwritten", func(t *testing.T, _ *pumping, wav string) { restoreFile(t, wav, make([]byte, 1<<20)) }, recording.GapFileTruncated},
		{"the file is deleted and cannot be read", func(t *testing.T, p *pumping, wav string) {
			p.disk.Unreadable(true)
			check(t, os.Remove(wav))
		}, recording.GapFileLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := startPump(t, 2*time.Second, nil) // the ring holds 2.05 s
				time.Sleep(5*time.Second + betweenLooks)
				c.do(t, p, p.folder.AudioPath(p.writer.ID()))
				time.Sleep(time.Second)
				p.disk.Unreadable(false)
				m, err := p.finish(t)
				check(t, err)
				if len(m.Gaps) != 1 || m.Gaps[0].Start != 0 || m.Gaps[0].Reason != c.reason || m.Gaps[0].Frames > speech.Frames(4*time.Second) {
					t.Errorf("gaps %+v of %d frames", m.Gaps, m.Frames)
				}
				if len(p.saved) != 1 || p.saved[0].Lost != m.Gaps[0] {
					t.Errorf("told %+v", p.saved)
				}
				checkAudio(t, p.folder, m)
				if _, err := p.folder.Verify(m.ID); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A file that is deleted just before the end is saved again before the recording is final.
func TestAFileDeletedAtTheEndIsSavedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, time.Minute, nil)
		time.Sleep(time.Second)
		check(t, os.Remove(p.folder.AudioPath(p.writer.ID())))
		m, err := p.finish(t)
		check(t, err)
		checkAudio(t, p.folder, m)
	})
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 1000)
	check(t, os.Remove(folder.AudioPath(w.ID())))
	m, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}) // without a pump that saves it
	if scout.CodeOf(err) != scout.CodeRecordingLost || m.State == recording.StateFinished {
		t.Errorf("Finish = %s, %v", m.State, err)
	}
}

// A file of another program in the recording's place is moved aside, not overwritten.
func TestFilesInTheRecordingsPlaceAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, time.Minute, nil)
		time.Sleep(time.Second)
		wav := p.folder.AudioPath(p.writer.ID())
		other := filepath.Join(t.TempDir(), "other")
		restoreFile(t, other, []byte("somebody's work"))
		check(t, os.Rename(other, wav))
		time.Sleep(time.Second)
		_, err := p.finish(t)
		check(t, err)
		kept, err := filepath.Glob(wav + ".other-*")
		if err != nil || len(kept) != 1 || string(readFile(t, kept[0])) != "somebody's work" {
			t.Errorf("kept %v, %v", kept, err)
		}
	})
}

// If no folder can take the recording, it continues in the open file and reports that until a folder can.
func TestARecordingThatCannotBeSavedAgainGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, time.Minute, nil)
		time.Sleep(time.Second)
		check(t, os.Remove(p.folder.AudioPath(p.writer.ID())))
		p.disk.Fill(0)
		time.Sleep(900 * time.Millisecond)
		p.disk.Fill(1 << 30)
		p.disk.Free()
		time.Sleep(2 * time.Second)
		if got := p.Trouble().Condition; got != recording.ConditionOK {
			t.Errorf("condition %s", got)
		}
		m, err := p.finish(t)
		check(t, err)
		checkAudio(t, p.folder, m)
		if len(m.Gaps) != 0 {
			t.Errorf("gaps %v", m.Gaps)
		}
	})
}

// A folder that can no longer be entered costs no audio. The recorder reports it and writes the manifest as soon as it can.
func TestAFolderThatCanNoLongerBeEntered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, time.Minute, nil)
		time.Sleep(time.Second)
		p.disk.Deny(true)
		p.writer.AddGap(gapAt(1000))
		time.Sleep(5 * time.Second)
		if got := p.Trouble().Condition; got != recording.ConditionNoManifest {
			t.Errorf("condition %s", got)
		}
		if len(p.saved) != 1 || p.saved[0].Damage != recording.DamageUnreachable {
			t.Errorf("told %+v", p.saved)
		}
		p.disk.Deny(false)
		time.Sleep(time.Second)
		m, err := p.finish(t)
		check(t, err)
		if m.Frames < speech.Frames(6900*time.Millisecond) {
			t.Errorf("manifest %+v", m)
		}
	})
	folder, disk := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 1000)
	disk.Deny(true)
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); scout.CodeOf(err) != scout.CodeFilePermission || !strings.Contains(err.Error(), fs.ErrPermission.Error()) {
		t.Errorf("Finish = %v", err)
	}
}

// A follower continues in the file into which the recording was saved again.
func TestAFollowerGoesOnInTheFileThatWasSavedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := startPump(t, time.Minute, nil)
		f, err := p.folder.Follow(p.writer.ID(), recording.FollowOptions{})
		check(t, err)
		defer func() { check(t, f.Close()) }()
		var heard []byte
		read := func(frames int) {
			for len(heard)/speech.FrameBytes() < frames {
				block, err := f.Next(t.Context())
				check(t, err)
				heard = append(heard, block.Frames...)
			}
		}
		read(16_000)
		check(t, os.Remove(p.folder.AudioPath(p.writer.ID())))
		time.Sleep(time.Second)
		read(48_000)
		_, err = p.finish(t)
		check(t, err)
		if at, differs := recordingtest.FirstDifference(heard, speech.FrameBytes(), 0); differs {
			t.Errorf("frame %d is not what was recorded there", at)
		}
	})
}
