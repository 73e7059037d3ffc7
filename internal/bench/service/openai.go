package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

// Bounds of what OpenAI's paths for files cost, docs/adr/0103-openai-files.md.
const (
	// LargeBytes is a large file, MostGrowth by how much the daemon may grow while it comes.
	LargeBytes = 200 << 20
	MostGrowth = 5 << 20
)

// OpenAIUsers is what a number of users got, who each sent a file and no model, as the load script of whisper.cpp does.
type OpenAIUsers struct {
	Users    int            `json:"users"`
	Statuses map[string]int `json:"statuses"` // how often each was the answer; "none" for no answer
	TookNS   time.Duration  `json:"took_ns"`  // until the last answer
	SlowNS   time.Duration  `json:"slow_ns"`  // of the slowest 200
}

// OpenAIEarly is whether the text of a file in a format began before the end of its upload.
type OpenAIEarly struct {
	Format string `json:"format"`
	Early  bool   `json:"early"`
	// FirstNS is the time from the beginning of the upload to the first text.
	FirstNS time.Duration `json:"first_ns"`
	// Bound is true where it must. Other formats need the whole file.
	Bound bool `json:"bound"`
}

// OpenAIReport is what was measured of OpenAI's paths for files.
type OpenAIReport struct {
	Users []OpenAIUsers `json:"users"`
	// GrowthBytes is by how much the daemon grew while a file of LargeBytes came, over its size before.
	GrowthBytes int64 `json:"growth_bytes"`
	LargeStatus int   `json:"large_status"`
	// Early says for each format whether the text of a file began before the file had ended.
	Early []OpenAIEarly `json:"early"`
	// Missed are the bounds that were not met, in words.
	Missed []string `json:"missed"`
}

// judge notes which bounds were not met.
func (r *OpenAIReport) judge() {
	r.Missed = []string{}
	miss := func(format string, args ...any) { r.Missed = append(r.Missed, fmt.Sprintf(format, args...)) }
	for _, u := range r.Users {
		if u.Statuses["200"] == 0 {
			miss("none of %d users got a text", u.Users)
		}
		for status, n := range u.Statuses {
			if status != "200" && status != "429" {
				miss("%d of %d users got %s", n, u.Users, status)
			}
		}
	}
	if r.LargeStatus != http.StatusOK {
		miss("a file of %d MB was answered with %d", LargeBytes>>20, r.LargeStatus)
	}
	if r.GrowthBytes >= MostGrowth {
		miss("the daemon grew by %.1f MB while a file of %d MB came: want less than %d MB", float64(r.GrowthBytes)/(1<<20), LargeBytes>>20, MostGrowth>>20)
	}
	for _, e := range r.Early {
		if e.Bound && !e.Early {
			miss("%s: no text came before the file had ended", e.Format)
		}
	}
}

// transcriptions is OpenAI's path.
const transcriptions = "/v1/audio/transcriptions"

// OpenAI measures OpenAI's paths for files with a daemon of its own, for each number of users at the same time.
func OpenAI(ctx context.Context, o Options, users []int) (*OpenAIReport, error) {
	report := &OpenAIReport{}
	err := in(ctx, o, func(h *house) error {
		c := h.client("")
		defer c.close()
		clip := wavOf(o.Speech[:min(len(o.Speech), 11*rate)])
		const before = 2 * 60 * rate // what any file of some minutes needs is no growth
		if a, err := c.transcribe(ctx, wavOf(o.Speech[:min(len(o.Speech), before)])); err != nil || !a.ok() {
			return errors.Join(err, scout.Errorf(scout.CodeInternal, "the first file got no text"))
		}
		var err error
		if report.GrowthBytes, report.LargeStatus, err = h.large(ctx); err != nil {
			return err
		}
		if report.Early, err = h.earlyTexts(ctx, o.Speech); err != nil {
			return err
		}
		for _, n := range users {
			h.tell("openai: %d users", n)
			report.Users = append(report.Users, h.crowd(ctx, n, clip))
		}
		return context.Cause(ctx)
	})
	report.judge()
	return report, err
}

// wavOf is a file of samples of one channel.
func wavOf(samples []float32) []byte {
	b := wavHead(2*len(samples), rate, 1)
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(max(-1, min(1, s))*32767))) //nolint:gosec // the bits of a sample
	}
	return b
}

// wavHead is the header of a file with that many bytes of samples of 16 bits.
func wavHead(bytes, rateHz, channels int) []byte {
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+bytes))...) //nolint:gosec // less than 4 GB
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00"...)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))          //nolint:gosec // small
	b = binary.LittleEndian.AppendUint32(b, uint32(rateHz))            //nolint:gosec // as above
	b = binary.LittleEndian.AppendUint32(b, uint32(rateHz*channels*2)) //nolint:gosec // as above
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*2))        //nolint:gosec // as above
	b = append(b, "\x10\x00data"...)
	return binary.LittleEndian.AppendUint32(b, uint32(bytes)) //nolint:gosec // as above
}

// transcribe sends a file and no model, with the fields of whisper.cpp's load script.
func (c *client) transcribe(ctx context.Context, clip []byte) (*answer, error) {
	kind, body := whisperForm(clip)
	return c.do(ctx, http.MethodPost, transcriptions, map[string]string{"Content-Type": kind}, body)
}

func whisperForm(clip []byte) (kind string, body []byte) {
	var b strings.Builder
	w := multipart.NewWriter(&b)
	part, _ := w.CreateFormFile("file", "clip.wav")                                                                                                 // a builder takes everything
	_, _ = part.Write(clip)                                                                                                                         // as above
	_ = errors.Join(w.WriteField("temperature", "0.0"), w.WriteField("temperature_inc", "0.2"), w.WriteField("response_format", "json"), w.Close()) // as above
	return w.FormDataContentType(), []byte(b.String())
}

// crowd has users send a file each at the same time.
func (h *house) crowd(ctx context.Context, users int, clip []byte) OpenAIUsers {
	found := OpenAIUsers{Users: users, Statuses: make(map[string]int)}
	var mu sync.Mutex
	var wait sync.WaitGroup
	began := time.Now()
	for range users {
		wait.Go(func() {
			c := h.client("")
			defer c.close()
			a, err := c.transcribe(ctx, clip)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				found.Statuses["none"]++
				return
			}
			found.Statuses[fmt.Sprint(a.status)]++
			if a.ok() {
				found.SlowNS = max(found.SlowNS, a.took)
			}
		})
	}
	wait.Wait()
	found.TookNS = time.Since(began)
	return found
}

// silence yields a number of zeros.
type silence struct{ left int }

func (s *silence) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), s.left)
	clear(p[:n])
	s.left -= n
	return n, nil
}

// large sends a large file, of which nothing has to be decoded, and returns by how much the daemon grew.
func (h *house) large(ctx context.Context) (growth int64, status int, err error) {
	h.tell("openai: a file of %d MB", LargeBytes>>20)
	in, out := io.Pipe()
	w := multipart.NewWriter(out)
	go func() { // ends with the request, which closes in
		part, err := w.CreateFormFile("file", "unknown_file")
		if err == nil {
			_, err = part.Write(wavHead(LargeBytes, 48000, 2))
		}
		if err == nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{part}, &silence{LargeBytes}, make([]byte, 256<<10))
		}
		_ = out.CloseWithError(errors.Join(err, w.Close())) // it never fails
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.address()+transcriptions, in)
	if err != nil {
		return 0, 0, fmt.Errorf("send a large file: %w", err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	pid := h.daemon.Process.Pid
	before := bench.ProportionalSize(pid)
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { // ends with the request
		const every = 20 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				growth = max(growth, bench.ProportionalSize(pid)-before)
			case <-done:
				return
			}
		}
	})
	response, err := http.DefaultClient.Do(request)
	close(done)
	watch.Wait()
	_ = in.Close() // it never fails
	if err != nil {
		return growth, 0, fmt.Errorf("send a large file: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it is short
	_, err = io.Copy(io.Discard, response.Body)
	return growth, response.StatusCode, err
}

// earlyFormats are those whose files are sent, with the arguments of ffmpeg that make them.
var earlyFormats = []struct {
	name, arguments string
	bound           bool
}{
	{"WAV", "", true},
	{"FLAC", "-c:a flac -f flac", true},
	{"MP3", "-c:a libmp3lame -b:a 64k -f mp3", true},
	{"Ogg Vorbis", "-c:a libvorbis -f ogg", true},
	{"Ogg Opus", "-c:a libopus -b:a 24k -f ogg", true},
	{"WebM Opus", "-c:a libopus -b:a 24k -f webm", true},
	{"WebM Vorbis", "-c:a libvorbis -f webm", true},
	{"AAC", "-c:a aac -b:a 64k -f adts", true},
	{"MP4", "-c:a aac -b:a 64k -movflags empty_moov+default_base_moof -frag_duration 1000000 -f mp4", true},
	{"MP2", "-c:a mp2 -b:a 64k -f mp2", false},
}

// earlyTexts sends a file in each format that can be made here: only WAV without ffmpeg.
func (h *house) earlyTexts(ctx context.Context, speech []float32) ([]OpenAIEarly, error) {
	const least = 4 * 60 * rate
	long := speech
	for len(long) < least {
		long = append(long[:len(long):len(long)], speech...)
	}
	sound := wavOf(long)
	var all []OpenAIEarly
	for _, f := range earlyFormats {
		h.tell("openai: text before the end of a file, %s", f.name)
		file, within := sound, time.Minute
		if f.arguments != "" {
			made := exec.CommandContext(ctx, "ffmpeg", strings.Fields("-nostdin -loglevel error -f wav -i pipe:0 "+f.arguments+" pipe:1")...) //nolint:gosec // as above
			made.Stdin = bytes.NewReader(sound)
			var err error
			if file, err = made.Output(); err != nil {
				continue // nobody can make it here
			}
		}
		if !f.bound {
			within = 10 * time.Second
		}
		first, early, err := h.early(ctx, file, within)
		if err != nil {
			return all, err
		}
		all = append(all, OpenAIEarly{Format: f.name, Early: early, FirstNS: first, Bound: f.bound})
	}
	return all, nil
}

// early sends the half of a file, waits for the first text, and then sends the rest.
func (h *house) early(ctx context.Context, file []byte, within time.Duration) (first time.Duration, early bool, err error) {
	in, out := io.Pipe()
	w := multipart.NewWriter(out)
	heard := make(chan struct{})
	go func() { // ends with the request, which closes in
		err := w.WriteField("stream", "true")
		part, partErr := w.CreateFormFile("file", "unknown_file")
		if err = errors.Join(err, partErr); err == nil {
			_, err = part.Write(file[:len(file)/2])
		}
		select {
		case <-heard:
		case <-time.After(within):
		}
		if err == nil {
			_, err = part.Write(file[len(file)/2:])
		}
		_ = out.CloseWithError(errors.Join(err, w.Close())) // it never fails
	}()
	defer func() { _ = in.Close() }() // as above
	ctx, cancel := context.WithTimeout(ctx, within+2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.address()+transcriptions, in)
	if err != nil {
		return 0, false, fmt.Errorf("send a file: %w", err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, false, fmt.Errorf("send a file: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as wanted
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Type string `json:"type"`
		}
		data, is := strings.CutPrefix(lines.Text(), "data: ")
		if is && json.Unmarshal([]byte(data), &event) == nil && event.Type == "transcript.text.delta" {
			close(heard)
			took := time.Since(began)
			return took, took < within, nil
		}
	}
	return 0, false, lines.Err()
}
