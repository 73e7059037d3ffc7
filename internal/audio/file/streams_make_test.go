package file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// A signal is silence with bursts of sound, so that a place in the output tells where it was in the input.
type signal struct {
	seconds float64
	bursts  []float64 // begin of each, seconds
}

// Two recordings that cannot be mistaken for each other.
var (
	signalA = signal{2, []float64{0.5, 1.5}}
	signalB = signal{1.5, []float64{0.2, 0.6, 1.0}}
)

const burstSeconds = 0.1

// samples returns the signal at a rate, the same in all channels.
//
//go:norace
func (s signal) samples(rate, channels int) []float32 {
	out := make([]float32, int(s.seconds*float64(rate))*channels)
	for _, at := range s.bursts {
		for i := range int(burstSeconds * float64(rate)) {
			v := float32(0.5 * math.Sin(2*math.Pi*1000*float64(i)/float64(rate)))
			for c := range channels {
				out[(int(at*float64(rate))+i)*channels+c] = v
			}
		}
	}
	return out
}

// burstsOf finds where bursts begin, in seconds.
//
//go:norace
func burstsOf(samples []float32) []float64 {
	const window = 80 // 5 ms
	var found []float64
	quiet := 10
	for at := 0; at+window <= len(samples); at += window {
		var energy float64
		for _, v := range samples[at : at+window] {
			energy += float64(v) * float64(v)
		}
		if energy/window < 0.01 {
			quiet++
			continue
		}
		if quiet >= 10 {
			found = append(found, float64(at)/16000)
		}
		quiet = 0
	}
	return found
}

// timesOf are the bursts of signals that begin at those times.
func timesOf(parts ...any) []float64 {
	var all []float64
	for i := 0; i < len(parts); i += 2 {
		from, _ := parts[i].(float64)
		part, ok := parts[i+1].(signal)
		if !ok {
			panic("timesOf takes a time and a signal in turn")
		}
		for _, at := range part.bursts {
			all = append(all, from+at)
		}
	}
	return all
}

// near reports whether two lists of times agree within 40 ms.
func near(got, want []float64) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 0.04 {
			return false
		}
	}
	return true
}

// noisy puts a noise of six seconds below a signal, so that silence is not stored as nothing.
const noisy = "-filter_complex anoisesrc=d=6:a=0.005:seed=7,aresample=48000[n];[n][0:a]amix=2:normalize=0 "

// maker makes files of signals and remembers them, and what was read of them: once in a run of the package.
type maker struct {
	dir  string
	mu   sync.Mutex
	made map[string]func() ([]byte, error)
	read map[string]func() ([]float32, error)
	many map[string]func() map[string][]byte // by signal and arguments: what one process makes, by arguments
	runs int                                 // of such processes
}

// shared is the maker of all tests; TestMain makes and removes its folder.
var shared = &maker{
	made: map[string]func() ([]byte, error){}, read: map[string]func() ([]float32, error){}, many: map[string]func() map[string][]byte{},
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	return shared
}

// alone returns what is read of the file that of makes, or of a WAV file.
func (m *maker) alone(t *testing.T, s signal, args, ffmpeg string) []float32 {
	t.Helper()
	content := encoded(t, m, s, args)
	key := fmt.Sprint(s, args, "|", ffmpeg)
	m.mu.Lock()
	if m.read[key] == nil {
		m.read[key] = sync.OnceValues(func() ([]float32, error) {
			path := filepath.Join(m.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(key))))
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return nil, err
			}
			r, err := file.Open(context.Background(), path, file.Options{FFmpeg: ffmpeg})
			if err != nil {
				return nil, err
			}
			samples, err := drain(r)
			return samples, errors.Join(err, r.Close(), os.Remove(path))
		})
	}
	read := m.read[key]
	m.mu.Unlock()
	samples, err := read()
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// of returns a file of the signal; args stand between ffmpeg's input and output, the last is the name's ending.
func (m *maker) of(t *testing.T, s signal, args string) []byte {
	t.Helper()
	ffmpeg := needFFmpeg(t)
	if content := m.together(s, args); len(content) > 0 {
		return bytes.Clone(content)
	}
	key := fmt.Sprint(s, args)
	m.mu.Lock()
	if m.made[key] == nil {
		name := filepath.Join(m.dir, fmt.Sprint(len(m.made)))
		m.made[key] = sync.OnceValues(func() ([]byte, error) {
			in := name + ".in"
			if err := os.WriteFile(in, wavFile(audio.Int16, 48000, 1, s.samples(48000, 1)), 0o600); err != nil {
				return nil, err
			}
			fields := strings.Fields(args)
			out := name + "." + fields[len(fields)-1]
			all := append([]string{"-nostdin", "-loglevel", "error", "-y"}, strings.Fields(before(args))...)
			all = append(append(all, "-i", in), strings.Fields(after(args))...)
			if fields[len(fields)-1] == "piped" {
				var said bytes.Buffer
				cmd := exec.Command(ffmpeg, append(all[:len(all)-1], "pipe:1")...)
				cmd.Stderr = &said
				content, err := cmd.Output()
				if err != nil {
					return nil, fmt.Errorf("%w: %s", err, said.String())
				}
				return content, nil
			}
			if said, err := exec.Command(ffmpeg, append(all[:len(all)-1], out)...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%w: %s", err, said)
			}
			return os.ReadFile(out)
		})
	}
	make := m.made[key]
	m.mu.Unlock()
	content, err := make()
	if err != nil {
		if strings.Contains(err.Error(), "Unknown encoder") {
			t.Skipf("this ffmpeg has no encoder for it: %v", err)
		}
		t.Fatal(err)
	}
	return bytes.Clone(content)
}

// ahead lets one process make the signal in all these encodings as soon as one of them is wanted, since each start of ffmpeg takes a
// tenth of a second: one process for those with the same arguments in front of the input. The list is the maker's from then on.
func (m *maker) ahead(s signal, list ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.Sort(list)
	alike := map[string][]string{} // by what stands in front of the input
	for _, args := range slices.Compact(list) {
		if m.many[fmt.Sprint(s, args)] == nil {
			alike[before(args)] = append(alike[before(args)], args)
		}
	}
	for _, list := range alike {
		dir := filepath.Join(m.dir, fmt.Sprintf("together-%d", m.runs))
		m.runs++
		make := sync.OnceValue(func() map[string][]byte {
			return makeAll(dir, wavFile(audio.Int16, 48000, 1, s.samples(48000, 1)), list)
		})
		for _, args := range list {
			m.many[fmt.Sprint(s, args)] = make
		}
	}
}

// together returns what ahead promised, or one of the common encodings; nil if this ffmpeg cannot make one of the files.
func (m *maker) together(s signal, args string) []byte {
	promised := func() func() map[string][]byte {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.many[fmt.Sprint(s, args)]
	}
	make := promised()
	for _, list := range [][]string{common(), toPipes()} {
		if make == nil && slices.Contains(list, args) {
			m.ahead(s, list...)
			make = promised()
		}
	}
	if make == nil {
		return nil
	}
	return make()[args]
}

// encodings returns a sound, a WAV file, in each of these encodings, by their arguments, without those that this ffmpeg cannot make.
func encodings(t *testing.T, sound []byte, list ...string) map[string][]byte {
	t.Helper()
	needFFmpeg(t)
	if made := makeAll(filepath.Join(t.TempDir(), "all"), sound, list); made != nil {
		return made
	}
	made := map[string][]byte{}
	for i, args := range list {
		maps.Copy(made, makeAll(filepath.Join(t.TempDir(), fmt.Sprint(i)), sound, []string{args}))
	}
	return made
}

// makeAll makes files of a sound in a new folder; nil on any error: one by one they tell why.
func makeAll(dir string, sound []byte, list []string) map[string][]byte {
	in := filepath.Join(dir, "in.wav")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(in, sound, 0o600)); err != nil {
		return nil
	}
	cmd := exec.Command("ffmpeg", append(append([]string{"-nostdin", "-loglevel", "error"}, strings.Fields(before(list[0]))...), "-i", in)...)
	ends := func() (err error) {
		for _, write := range cmd.ExtraFiles {
			err = errors.Join(err, write.Close())
		}
		cmd.ExtraFiles = nil
		return err
	}
	outputs := map[string]func() ([]byte, error){} // by arguments
	for i, args := range list {
		fields := strings.Fields(after(args))
		last := len(fields) - 1
		if fields[0] == "-filter_complex" { // its output has no name, so it would be in the first file
			output := fmt.Sprintf("[made%d]", i)
			fields[1] += output
			cmd.Args = append(cmd.Args, "-map", output)
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.%s", i, fields[last]))
		outputs[args] = func() ([]byte, error) { return os.ReadFile(name) }
		if fields[last] == "piped" {
			read, write, err := os.Pipe()
			if err != nil {
				_ = ends() // of what there is, so that its readers end
				return nil
			}
			outputs[args] = readAll(read)
			const standard = 3 // input, output and errors
			name = fmt.Sprintf("pipe:%d", standard+len(cmd.ExtraFiles))
			cmd.ExtraFiles = append(cmd.ExtraFiles, write)
		}
		cmd.Args = append(append(cmd.Args, fields[:last]...), name)
	}
	err := errors.Join(cmd.Run(), ends())
	made := map[string][]byte{}
	for args, output := range outputs {
		content, outputErr := output()
		err = errors.Join(err, outputErr)
		made[args] = content
	}
	if err != nil {
		return nil
	}
	return made
}

// readAll reads a pipe to its end in the background, and returns a function that waits for what was in it.
func readAll(pipe *os.File) func() ([]byte, error) {
	type result struct {
		content []byte
		err     error
	}
	done := make(chan result, 1)
	go func() { // ends with the last writer of the pipe
		content, err := io.ReadAll(pipe)
		done <- result{content, errors.Join(err, pipe.Close())}
	}()
	return func() ([]byte, error) {
		r := <-done
		return r.content, r.err
	}
}

// before and after split arguments at "|": those before it stand in front of the input.
func before(args string) string {
	b, _, found := strings.Cut(args, "|")
	if !found {
		return ""
	}
	return b
}

func after(args string) string {
	if _, a, found := strings.Cut(args, "|"); found {
		return a
	}
	return args
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// setSize writes a 32-bit little-endian size.
func setSize(b []byte, at int, size uint32) []byte {
	binary.LittleEndian.PutUint32(b[at:], size)
	return b
}

// wavOf is a WAV file of the signal with a header of 44 bytes.
func wavOf(s signal, rate, channels int) []byte {
	return wavFile(audio.Int16, rate, channels, s.samples(rate, channels))
}
