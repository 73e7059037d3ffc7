package file_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

const (
	opusFragments = "-c:a libopus -ar 48000 -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000 mp4"
	opusLong      = "-c:a libopus -ar 48000 -ac 2 -frame_duration 60 -movflags frag_keyframe+empty_moov -frag_duration 500000 mp4"
	opusFront     = "-c:a libopus -ar 48000 -movflags +faststart mp4"
	opusEnd       = "-c:a libopus -ar 48000 mp4"
	opusSurround  = "-c:a libopus -ar 48000 -ac 6 -movflags +faststart mp4"
)

// early reads a file as it comes, without another program.
func early(data []byte) ([]float32, file.Info, error) {
	r, err := file.New(context.Background(), bytes.NewReader(data), "x", file.Options{Unfinished: true, FFmpeg: file.NoFFmpeg})
	if err != nil {
		return nil, file.Info{}, err
	}
	samples, err := drain(r)
	return samples, r.Info(), errors.Join(err, r.Close())
}

// Opus in MP4, as browsers record it, is decoded as it comes, as the complete file is.
func TestOpusInMP4AsItComes(t *testing.T) {
	t.Parallel()
	made := encodings(t, wavFile(audio.Int16, 48000, 1, hum(48000, 2*48000+4711, 1)), opusFragments, opusLong, opusFront, opusEnd, opusSurround)
	for args, whole := range map[string]bool{opusFragments: false, opusLong: false, opusFront: false, opusEnd: true, opusSurround: true} {
		data := made[args]
		if len(data) == 0 {
			t.Skip("this ffmpeg cannot make it")
		}
		got, info, err := early(data)
		if whole {
			if !errors.Is(err, file.ErrUnfinished) {
				t.Errorf("%s: %v, want that it must be complete", args, err)
			}
			continue
		}
		if err != nil || len(info.Warnings) > 0 {
			t.Errorf("%s: %v, %s", args, err, messages(info.Warnings))
			continue
		}
		want, wanted := readFile(t, write(t, "x", data), file.Options{})
		if info.Container != wanted.Container || info.Codec != wanted.Codec || info.SampleRateHz != wanted.SampleRateHz || info.Channels != wanted.Channels {
			t.Errorf("%s: %+v, the whole file has %+v", args, info, wanted)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d samples, the whole file has %d", args, len(got), len(want))
		}
		alike(t, args, got, want, 0.99)
		if twice, _, err := aac(t, join(data, data)); err != nil || len(twice) != 2*len(got) {
			t.Errorf("%s, twice: %d samples, %v", args, len(twice), err)
		}
	}
}

// What is damaged or cut off is told, costs no more than it must, and ends nothing.
func TestDamagedOpusInMP4(t *testing.T) {
	t.Parallel()
	needFFmpeg(t)
	const args = "-c:a libopus -ar 48000 -b:a 24k -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 40000 mp4"
	whole := encodings(t, wavFile(audio.Int16, 48000, 1, hum(48000, 48000/15, 1)), args)[args]
	if len(whole) == 0 {
		t.Skip("this ffmpeg cannot make it")
	}
	want, _, err := early(whole)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		got, info, err := early(whole[:n])
		switch {
		case errors.Is(err, file.ErrUnfinished), scout.CodeOf(err) == scout.CodeAudioEmpty, scout.CodeOf(err) == scout.CodeAudioUnsupported:
		case err != nil:
			t.Errorf("of %d bytes: %v", n, err)
		case len(got) > len(want):
			t.Errorf("%d bytes became %d samples, all of them %d", n, len(got), len(want))
		case len(got) < len(want)-1000 && len(info.Warnings) == 0 && !startsBox(whole, n):
			t.Errorf("%d bytes became %d of %d samples without a word", n, len(got), len(want))
		}
	}
	moov, length := boxesOf(whole, "moov")
	moof, more := boxesOf(whole, "moof")
	for at := moov[0]; at < moof[1]+more[1]; at += 2 {
		if at >= moov[0]+length[0] && at < moof[0] {
			at = moof[0]
		}
		if at >= moof[0]+more[0] && at < moof[1] {
			at = moof[1]
		}
		damaged := slices.Clone(whole)
		damaged[at] = []byte{0xFF, 0, 0x7F}[at%3]
		if got, _, _ := early(damaged); len(got) > len(want)+6*3600*16000 { // an error is as good as any sound
			t.Errorf("byte %d became %d samples", at, len(got))
		}
	}
	samples, size := boxesOf(whole, "mdat")
	torn := slices.Clone(whole)
	for i := samples[1] + 8; i < samples[1]+size[1]; i++ {
		torn[i] = 0xFF
	}
	got, info, err := early(torn)
	if err != nil || len(got) < len(want)-320 || len(got) > len(want) || // the last packet is shorter by its table
		len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningDamaged {
		t.Errorf("destroyed packets: %d of %d samples, %s, %v", len(got), len(want), messages(info.Warnings), err)
	}
}

// startsBox reports whether nothing tells that a file is cut off there: a fragment has ended.
func startsBox(whole []byte, at int) bool {
	for pos := 0; pos+8 <= len(whole); pos += int(binary.BigEndian.Uint32(whole[pos:])) {
		if pos == at && slices.Contains([]string{"moof", "mfra"}, string(whole[pos+4:pos+8])) {
			return true
		}
	}
	return false
}

// A recorder that paused leaves a hole in the time stamps, between fragments or within one.
func TestPausesOfOpusInMP4(t *testing.T) {
	t.Parallel()
	const args = "-c:a libopus -ar 48000 -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000 mp4"
	whole := encodings(t, wavFile(audio.Int16, 48000, 1, hum(48000, 2*48000, 1)), args)[args]
	if len(whole) == 0 {
		t.Skip("this ffmpeg cannot make it")
	}
	want, _, err := early(whole)
	if err != nil {
		t.Fatal(err)
	}
	later := slices.Clone(whole)
	for i, at := 0, 0; ; i++ {
		n := bytes.Index(later[at:], []byte("tfdt"))
		if n < 0 {
			break
		}
		if at += n + 8; i >= 2 { // a time stamp of 64 bits
			binary.BigEndian.PutUint64(later[at:], binary.BigEndian.Uint64(later[at:])+48000)
		}
	}
	got, info, err := early(later)
	if err != nil || len(info.Warnings) > 0 || len(got) != len(want)+16000 {
		t.Errorf("%d samples, want %d: %s, %v", len(got), len(want)+16000, fmt.Sprint(messages(info.Warnings)), err)
	}
}
