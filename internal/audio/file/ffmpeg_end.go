package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// ended interprets the end of ffmpeg's output: io.EOF, or an error with a code.
func (d *ffmpegDecoder) ended(err error) error {
	if d.pipe.late != nil {
		return d.pipe.late
	}
	waitErr := d.wait()
	if !errors.Is(err, io.EOF) {
		return err
	}
	if failure := d.job.src.shrunk(); failure != nil {
		return failure
	}
	if killed(waitErr) && d.job.ctx.Err() == nil {
		return scout.Errorf(scout.CodeReadFailed, "ffmpeg ended after %v of audio: %w", d.decoded(), waitErr)
	}
	d.conclude(waitErr)
	return io.EOF
}

// rest returns the time from the end of the sound to the end of its part: the picture may be longer, and the next part
// begins after it.
func (d *ffmpegDecoder) rest() time.Duration {
	start, _, length := d.log.origin()
	if d.format.container != "mpegts" && d.format.container != "mpeg" && d.format.container != "ogg" {
		length -= max(start, 0) // it counts from zero there
	}
	if rest := length - d.decoded(); (timed(d.format.container) || d.format.container == "avi") && rest > holeLeast && rest < holeMost && !d.job.extent.cut() {
		return rest
	}
	return 0
}

// conclude records what is missing, in one line: first from the structure of the file, then from ffmpeg's complaints.
func (d *ffmpegDecoder) conclude(waitErr error) {
	failed, other, early := d.log.verdict()
	// Only these have nothing that tells their length before they are decoded.
	early = early || d.log.tornEnd() && slices.Contains([]string{"mpeg", "rm"}, d.format.container)
	if early && !d.job.extent.cut() && len(d.job.extent.patches) > 0 {
		early = false // ffmpeg met what is in place of damage
		other++
	}
	there, promised := d.decoded(), d.promised()
	oggEnd := d.job.what.container == "ogg" && d.oggCut()
	early = early || d.job.what.container == "nut" && nutCut(d.job.src.path, d.job.start, d.job.extent.end)
	short := promised - there
	isShort := short > ffmpegDrift+promised/100
	switch {
	case isShort && (d.tagged && d.damages == 0 || d.job.extent.cut() || early || oggEnd || checked(d.job.what.container)):
		d.notes = append(d.notes, cutOff(promised, there))
		return
	case early, d.job.extent.cut() && (promised == 0 || isShort || !d.found.exact || d.job.what.container == "ogg"):
		// If as much is there as was declared, something else is missing, for example the index.
		d.notes = append(d.notes, scout.Warnf(scout.WarningCutOff, "cut off after %v: the file ends early", there.Round(time.Millisecond)).From(there))
		return
	case oggEnd:
		d.notes = append(d.notes, scout.Warnf(scout.WarningCutOff, "cut off after %v: the end mark is missing", there.Round(time.Millisecond)).From(there))
		return
	}
	d.damages += failed
	tail := d.job.extent.tail
	if e := d.job.extent; e.torn > 0 && e.whole > d.job.start {
		tail = time.Duration(float64(there) * float64(e.torn) / float64(e.whole-d.job.start)) // as the samples before
	}
	if tail > 0 {
		if d.damages == 0 {
			d.damaged = there
		}
		d.damages++
	}
	switch {
	case d.damages > 0 && d.damages > failed:
		text := fmt.Sprintf("damaged in %d places, the first at %v", d.damages, d.damaged.Round(time.Millisecond))
		if d.damages == 1 {
			text = fmt.Sprintf("damaged at %v", d.damaged.Round(time.Millisecond))
		}
		if d.lost > 0 {
			text += fmt.Sprintf(": %v of silence put in its place", d.lost.Round(time.Millisecond))
		}
		if tail > 0 {
			text += fmt.Sprintf(", the last %v are destroyed", tail.Round(time.Millisecond))
		} else if isShort && d.tagged {
			text += fmt.Sprintf(", %v are missing", short.Round(time.Millisecond))
		}
		d.notes = append(d.notes, scout.Warnf(scout.WarningDamaged, "%s", text).From(d.damaged))
	case failed > 0 || waitErr != nil:
		d.notes = append(d.notes, scout.Warnf(scout.WarningDamaged, "damaged after %v: %s", there.Round(time.Millisecond), explain(d.log.tail.String(), waitErr, "what follows cannot be decoded")).From(there))
	case other > 0 && (checked(d.job.what.container) || slices.Contains([]string{"mlp", "truehd", "sbc", "ac3"}, d.job.what.container)):
		d.notes = append(d.notes, scout.Warnf(scout.WarningDamaged, "damaged: %s in the file; audio is missing there, or noise is heard", faults(other)))
	case slices.Contains([]string{"flv", "asf"}, d.job.what.container) && len(d.job.extent.losses) > 0:
		d.notes = append(d.notes, scout.Warnf(scout.WarningDamaged, "damaged: %s in the file; audio is missing there, or noise is heard", faults(len(d.job.extent.losses))))
	case other > 0:
		d.notes = append(d.notes, scout.Warnf(scout.WarningFormat, "%s in the file; no audio is missing as far as ffmpeg can tell", faults(other)))
	}
}

// nutCut reports whether a NUT file ends early. Its index, which is optional, is its last packet, and ends with the distance to its own
// beginning; the programs of libavformat always write it. Source: the NUT specification, "index" and "info packets".
func nutCut(path string, start, end int64) bool {
	const head, tail, checksum, name = 4096, 12, 4, "NX\xdd\x67\x2f\x23\xe6\x4e"
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // read only
	first := make([]byte, min(head, max(end-start, 0)))
	if _, err := f.ReadAt(first, start); err != nil || !bytes.Contains(first, []byte("Lavf")) || end-start < tail {
		return false
	}
	var last [tail]byte
	if _, err := f.ReadAt(last[:], end-tail); err != nil {
		return false
	}
	back := binary.BigEndian.Uint64(last[:tail-checksum])
	if back < tail || back > uint64(end-start) {
		return true
	}
	found := make([]byte, len(name))
	_, err = f.ReadAt(found, end-int64(back))
	return err == nil && string(found) != name
}

// checked reports whether a container has checksums of its samples and their number.
func checked(container string) bool {
	return slices.Contains([]string{"flac", "wv", "tta", "ape", "tak"}, container)
}

func faults(n int) string {
	if n == 1 {
		return "a fault"
	}
	return fmt.Sprintf("%d faults", n)
}

// promised returns the length of the audio that the input declares, 0 unknown. For samples of constant size it follows
// from the missing bytes.
func (d *ffmpegDecoder) promised() time.Duration {
	e, there := d.job.extent, d.decoded()
	if have := e.end - d.job.start; e.cut() && strings.HasPrefix(d.found.codec, "pcm_") && have > 0 {
		return time.Duration(float64(there) * float64(e.want-d.job.start) / float64(have))
	}
	if d.format.duration > 0 && d.job.what.container == "mp4" {
		return d.format.duration + d.lead // which the track's own length excludes
	}
	return d.format.duration
}

// oggCut reports whether the last page of the part is incomplete, or not the last of its stream: ffmpeg reports
// neither.
func (d *ffmpegDecoder) oggCut() bool {
	end, ok := oggTail(d.job.src.path, d.job.extent.end)
	return ok && (end.cut || !end.ended)
}
