package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strconv"
	"time"
)

// Limits of the search for sound in a track.
const (
	// soundReach is how much of its beginning is decoded: a film may begin with minutes of silence.
	soundReach = 10 * time.Minute
	// soundLooks samples of soundLook each are taken after it, at equal distances.
	soundLooks = 8
	soundLook  = 20 * time.Second
	// soundPatience limits all of it: a track that takes longer counts as one with sound.
	soundPatience = 30 * time.Second
	// soundRateHz is the rate for this search; speech is below 4 kHz.
	soundRateHz = 8000
	// soundPower is -75 dBFS of 16-bit samples, the mean of their squares: below it nothing is decoded.
	soundPower = 32768 * 32768 * 3.2e-8
	// soundBlock is a tenth of a second, over which power is measured.
	soundBlock = soundRateHz / 10
)

// chooseTrack returns the index of the track that is read: the requested one, or the first in order that has sound.
// Tracks without sound are marked.
func (j *ffmpegJob) chooseTrack(tracks []Track) (int, error) {
	if j.opts.Track.given() {
		return j.opts.Track.find(tracks)
	}
	candidates := order(tracks)
	if len(tracks) == 1 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(j.ctx, soundPatience)
	defer cancel()
	for _, i := range candidates {
		if j.sounds(ctx, &tracks[i]) {
			return i, nil
		}
		tracks[i].Silent = true
	}
	if err := j.ctx.Err(); err != nil {
		return 0, err
	}
	return candidates[0], nil
}

// sounds reports whether a track has any sound.
func (j *ffmpegJob) sounds(ctx context.Context, t *Track) bool {
	if j.listen(ctx, t, 0, soundReach) {
		return true
	}
	rest := t.duration - soundReach
	for n := range soundLooks {
		if rest <= 0 || ctx.Err() != nil {
			break
		}
		if j.listen(ctx, t, soundReach+rest*time.Duration(n)/soundLooks, min(soundLook, rest)) {
			return true
		}
	}
	return false
}

// listen decodes a stretch of a track until it finds sound. If the stretch cannot be decoded it has none; if decoding
// takes too long it may have some.
func (j *ffmpegJob) listen(ctx context.Context, t *Track, from, length time.Duration) bool {
	args := []string{"-nostdin", "-hide_banner", "-nostats", "-loglevel", "error", "-max_alloc", fmt.Sprint(maxFFmpegBlock), "-threads", "1"}
	if from > 0 {
		args = append(args, "-ss", strconv.FormatFloat(from.Seconds(), 'f', 3, 64))
	}
	args = append(append(args, j.input...), "-i", j.name)
	args = append(args, "-map", t.mapping(), "-vn", "-sn", "-dn", "-t", strconv.FormatFloat(length.Seconds(), 'f', 3, 64),
		"-ar", strconv.Itoa(soundRateHz), "-f", "s16le", "pipe:1")
	cmd := exec.CommandContext(ctx, j.program, args...)
	cmd.Env = decoderEnv()
	cmd.WaitDelay = exitGrace
	ownGroup(cmd)
	cmd.Cancel = func() error {
		killGroup(cmd)
		return nil
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return true
	}
	if err := cmd.Start(); err != nil {
		return true
	}
	limitMemory(cmd)
	heard := audible(out)
	killGroup(cmd)
	if err := cmd.Wait(); err != nil && !killed(err) {
		j.opts.Log.Debug(eventTrackUnheard, slog.Int("track", t.Number), slog.String("error", err.Error()))
	}
	return heard || ctx.Err() != nil
}

// mapping returns ffmpeg's name of the track.
func (t *Track) mapping() string {
	if t.blind {
		return "0:a:" + strconv.Itoa(t.Number-1)
	}
	return "0:" + strconv.Itoa(t.index)
}

// audible reads 16-bit samples until a tenth of a second, of any number of channels, is above silence.
func audible(r io.Reader) bool {
	block := make([]byte, 2*soundBlock)
	for {
		n, err := io.ReadFull(r, block)
		var power float64
		for i := 0; i+1 < n; i += 2 {
			v := float64(int16(binary.LittleEndian.Uint16(block[i:])))
			power += v * v
		}
		if n > 1 && power/float64(n/2) > soundPower {
			return true
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return true // the time is over
			}
			return false
		}
	}
}
