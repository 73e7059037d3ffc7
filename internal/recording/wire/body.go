package wire

import (
	"encoding/binary"
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// positionBytes is a frame position: uint64, little-endian, frames since the recording began.
const positionBytes = 8

// MaxAudioBytes is how much audio fits into one KindFrames.
const MaxAudioBytes = 64 << 10

// AppendFrames appends the head of a KindFrames body: the position of its first frame. The audio
// follows, whole frames in the recording's format.
func AppendFrames(buf []byte, position scout.Position) []byte {
	return binary.LittleEndian.AppendUint64(buf, uint64(position))
}

// DecodeFrames returns the position and the audio of a KindFrames body; frameBytes is the size of a
// frame in the recording's format. The audio is part of body.
func DecodeFrames(body []byte, frameBytes int) (position scout.Position, audio []byte, err error) {
	if frameBytes < 1 || len(body) <= positionBytes || (len(body)-positionBytes)%frameBytes != 0 {
		return 0, nil, scout.Errorf(scout.CodeRecorderProtocol, "audio of %d bytes: want a position and frames of %d", len(body), frameBytes)
	}
	position = scout.Position(binary.LittleEndian.Uint64(body))
	if position > math.MaxInt64 {
		return 0, nil, scout.Errorf(scout.CodeRecorderProtocol, "audio at frame %d", position)
	}
	return position, body[positionBytes:], nil
}

// AppendMissed appends a KindMissed body: the listener was too late for the frames from from up to, but not including,
// to. They are in the file, or will be.
func AppendMissed(buf []byte, from, to scout.Position) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(buf, uint64(from)), uint64(to))
}

// DecodeMissed reads a KindMissed body.
func DecodeMissed(body []byte) (from, to scout.Position, err error) {
	if len(body) != 2*positionBytes {
		return 0, 0, scout.Errorf(scout.CodeRecorderProtocol, "missed frames in %d bytes: want %d", len(body), 2*positionBytes)
	}
	from, to = scout.Position(binary.LittleEndian.Uint64(body)), scout.Position(binary.LittleEndian.Uint64(body[positionBytes:]))
	if to <= from || to > math.MaxInt64 {
		return 0, 0, scout.Errorf(scout.CodeRecorderProtocol, "missed frames %d to %d", from, to)
	}
	return from, to, nil
}

// AppendEnd appends a KindEnd body: how many frames the recording has.
func AppendEnd(buf []byte, frames uint64) []byte {
	return binary.LittleEndian.AppendUint64(buf, frames)
}

// DecodeEnd reads a KindEnd body.
func DecodeEnd(body []byte) (frames uint64, err error) {
	if len(body) != positionBytes {
		return 0, scout.Errorf(scout.CodeRecorderProtocol, "end in %d bytes: want %d", len(body), positionBytes)
	}
	return binary.LittleEndian.Uint64(body), nil
}

const levelBytes = 4 + 4 + positionBytes

// AppendLevel appends a KindLevel body.
func AppendLevel(buf []byte, l recording.Level) []byte {
	buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(l.RMS))
	buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(l.Peak))
	return binary.LittleEndian.AppendUint64(buf, l.Position)
}

// DecodeLevel reads a KindLevel body. NaN, infinite and negative values are refused.
func DecodeLevel(body []byte) (recording.Level, error) {
	if len(body) != levelBytes {
		return recording.Level{}, scout.Errorf(scout.CodeRecorderProtocol, "level in %d bytes: want %d", len(body), levelBytes)
	}
	l := recording.Level{
		RMS:      math.Float32frombits(binary.LittleEndian.Uint32(body)),
		Peak:     math.Float32frombits(binary.LittleEndian.Uint32(body[4:])),
		Position: binary.LittleEndian.Uint64(body[8:]),
	}
	if !(l.RMS >= 0 && l.RMS <= math.MaxFloat32) || !(l.Peak >= 0 && l.Peak <= math.MaxFloat32) {
		return recording.Level{}, scout.Errorf(scout.CodeRecorderProtocol, "level %v, peak %v", l.RMS, l.Peak)
	}
	return l, nil
}
