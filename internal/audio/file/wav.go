package file

import (
	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/wav"
)

// wavDecoder reads WAV.
type wavDecoder struct {
	r *wav.Reader
}

func newWAV(src *source) (decoder, error) {
	r, err := wav.NewPartReader(src.buf, startsPart)
	if err != nil {
		if failure := src.failure(); failure != nil {
			return nil, failure
		}
		return nil, err
	}
	return &wavDecoder{r: r}, nil
}

func (d *wavDecoder) stream() stream {
	format := d.r.Format()
	return stream{
		container: format.Container, codec: format.Encoding.String(),
		sampleRateHz: format.SampleRateHz, channels: format.Channels,
		duration: framesToTime(d.r.Frames(), format.SampleRateHz),
		float:    format.Encoding.Float(),
	}
}

func (d *wavDecoder) decode(dst []float32) (int, error) {
	frames, err := d.r.Read(dst)
	return frames * d.r.Format().Channels, err
}

func (d *wavDecoder) warnings() []scout.Warning { return d.r.Warnings() }

func (d *wavDecoder) close() error { return nil }

// next continues with samples of another format.
func (d *wavDecoder) next() decoder {
	if r := d.r.Next(); r != nil {
		return &wavDecoder{r: r}
	}
	return nil
}
