package recording_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// A disk takes no more audio for twenty seconds. That is said all the time, also where a little room appears now and then, and what
// the recorder's own failed writes left in the file is no damage by another program. Afterwards all of the audio is in the file.
func TestADiskThatTakesNoMore(t *testing.T) {
	t.Parallel()
	for why, want := range map[error]recording.Condition{
		syscall.ENOSPC: recording.ConditionDiskFull, syscall.EDQUOT: recording.ConditionDiskFull,
		syscall.EFBIG: recording.ConditionWriteFailed, syscall.EROFS: recording.ConditionWriteFailed, syscall.EIO: recording.ConditionWriteFailed,
	} {
		for _, room := range []int64{0, 777, 4096, 70_001} {
			for _, conceals := range []bool{false, true} {
				for _, trickle := range []int64{0, 901} {
					if !errors.Is(why, syscall.ENOSPC) && (room != 777 || !conceals || trickle > 0) {
						continue // the same for all of them
					}
					t.Run(fmt.Sprintf("%v after %d bytes, concealed %t, then %d bytes at a time", why, room, conceals, trickle), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							p := startPump(t, time.Minute, nil)
							time.Sleep(3 * time.Second)
							p.disk.Conceal(conceals)
							p.disk.FillWith(room, why)
							time.Sleep(5 * time.Second)
							for tick := range 200 {
								if got := p.Trouble().Condition; got != want {
									t.Fatalf("condition %s after %d ms", got, 100*tick)
								}
								if trickle > 0 && tick%5 == 0 {
									p.disk.FillWith(trickle, why)
								}
								time.Sleep(100 * time.Millisecond)
							}
							p.disk.Free()
							time.Sleep(2500 * time.Millisecond)
							if got := p.Trouble().Condition; got != recording.ConditionOK {
								t.Errorf("condition %s after the fault", got)
							}
							m, err := p.finish(t)
							check(t, err)
							if m.Frames < speech.Frames(30*time.Second) || len(m.Gaps) != 0 || len(p.saved) != 0 {
								t.Errorf("%d frames, gaps %v, told %v %v", m.Frames, m.Gaps, p.saved, p.lost)
							}
							checkAudio(t, p.folder, m)
							if _, err := p.folder.Verify(m.ID); err != nil {
								t.Error(err)
							}
						})
					})
				}
			}
		}
	}
}

// What a write that failed left in the file does not show in the gap that follows it.
func TestTheGapOfAFullDiskIsSilent(t *testing.T) {
	t.Parallel()
	for _, room := range []int64{0, 1, 777, 40_001} {
		for _, conceals := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, concealed %t", room, conceals), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := startPump(t, 2*time.Second, nil)
					time.Sleep(3 * time.Second)
					p.disk.Conceal(conceals)
					p.disk.Fill(room)
					time.Sleep(20 * time.Second)
					if got := p.Trouble().Condition; got != recording.ConditionDiskFull {
						t.Errorf("condition %s", got)
					}
					p.disk.Free()
					time.Sleep(3 * time.Second)
					m, err := p.finish(t)
					check(t, err)
					if len(m.Gaps) != 1 || m.Gaps[0].Reason != recording.GapDiskFull || len(p.saved) != 0 {
						t.Errorf("gaps %v, told %v %v", m.Gaps, p.saved, p.lost)
					}
					checkAudio(t, p.folder, m)
					if _, err := p.folder.Verify(m.ID); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// Another program damages the file while the disk is full. The recorder says that it is saved again when all of it is, or what of
// it is lost, and not before; it says once that it cannot be saved yet.
func TestSavedAgainIsSaidWhenAllOfItIs(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, wav string){
		"cut off":     func(t *testing.T, wav string) { check(t, os.Truncate(wav, 20_000)) },
		"emptied":     func(t *testing.T, wav string) { check(t, os.Truncate(wav, 0)) },
		"overwritten": func(t *testing.T, wav string) { restoreFile(t, wav, make([]byte, 1<<20)) },
		"deleted":     func(t *testing.T, wav string) { check(t, os.Remove(wav)) },
	} {
		for _, holds := range []time.Duration{time.Minute, 2 * time.Second} {
			t.Run(fmt.Sprintf("%s, memory holds %s", name, holds), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					p := startPump(t, holds, nil)
					time.Sleep(1900*time.Millisecond + betweenLooks)
					p.disk.Fill(0)
					damage(t, p.folder.AudioPath(p.writer.ID()))
					time.Sleep(5 * time.Second)
					synctest.Wait()
					for i, err := range p.lost {
						if err == nil && p.saved[i].Lost.Frames == 0 || i > 0 {
							t.Errorf("while the disk is full: %+v, %v", p.saved[i], err)
						}
					}
					p.disk.Free()
					time.Sleep(3 * time.Second)
					m, err := p.finish(t)
					check(t, err)
					last := len(p.saved) - 1
					if last < 0 || p.lost[last] != nil {
						t.Fatalf("told %+v, %v", p.saved, p.lost)
					}
					lost := m.LostFrames()
					if (lost > 0) != (holds < time.Minute) || lost < p.saved[last].Lost.Frames || name != "deleted" && (lost > 0) != (p.saved[last].Lost.Frames > 0) {
						t.Errorf("gaps %v, told %+v", m.Gaps, p.saved)
					}
					checkAudio(t, p.folder, m)
					if _, err := p.folder.Verify(m.ID); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A stop that cannot write the rest says why.
func TestAStopThatCannotWriteTheRest(t *testing.T) {
	t.Parallel()
	for why, want := range map[error]scout.Code{syscall.ENOSPC: scout.CodeDiskFull, syscall.EDQUOT: scout.CodeDiskFull, syscall.EFBIG: scout.CodeWriteFailed, syscall.EIO: scout.CodeWriteFailed} {
		t.Run(why.Error(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, time.Minute, 10*time.Second, recording.PumpOptions{FinishWithin: 3 * time.Second})
				time.Sleep(5 * time.Second)
				s.disk.FillWith(777, why)
				time.Sleep(10 * time.Second)
				s.pump.Stop(s.ring.Head())
				if err := <-s.ended; scout.CodeOf(err) != want {
					t.Errorf("Run = %v (%s), want %s", err, scout.CodeOf(err), want)
				}
				s.disk.Free()
				m := finish(t, s.writer)
				if m.Frames != uint64(s.ring.Head()) || len(m.Gaps) != 1 {
					t.Errorf("%d frames of %d, gaps %v", m.Frames, s.ring.Head(), m.Gaps)
				}
				checkAudio(t, s.folder, m)
			})
		})
	}
}

// The system's own limit, in a process of its own: what the last write put into the file is counted, although it failed.
func TestAFailedWriteCountsWhatIsInTheFile(t *testing.T) {
	t.Parallel()
	const variable, limit = "SCOUT_TEST_FILE_LIMIT", 8 << 10
	if os.Getenv(variable) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAFailedWriteCountsWhatIsInTheFile$")
		cmd.Env = append(os.Environ(), variable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	folder, err := recording.OpenFolder(t.TempDir())
	check(t, err)
	w := create(t, folder, speech)
	check(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}))
	frames, err := w.Write(make([]byte, 4*limit))
	if !errors.Is(err, syscall.EFBIG) || scout.CodeOf(err) != scout.CodeWriteFailed {
		t.Errorf("Write = %v (%s)", err, scout.CodeOf(err))
	}
	if want := (limit - recording.HeaderBytes) / speech.FrameBytes(); frames != want || w.Frames() != uint64(want) {
		t.Errorf("%d frames, %d in all; %d are in the file", frames, w.Frames(), want)
	}
	check(t, w.Abandon())
}
