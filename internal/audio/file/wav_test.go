package file_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// chunksOf are the chunks of a WAV file: its format and its samples.
func chunksOf(enc audio.Encoding, rate, channels int, s signal) []byte {
	return wavFile(enc, rate, channels, s.samples(rate, channels))[12:]
}

// A WAV file may hold samples of several formats, each behind its own format chunk.
func TestWAVWhoseFormatChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second []byte
		warning       scout.WarningCode
	}{
		"another rate":                {chunksOf(audio.Int16, 16000, 1, signalA), chunksOf(audio.Int16, 44100, 1, signalB), ""},
		"stereo, then mono":           {chunksOf(audio.Int16, 16000, 2, signalA), chunksOf(audio.Int16, 16000, 1, signalB), ""},
		"mono, then eight channels":   {chunksOf(audio.Int16, 16000, 1, signalA), chunksOf(audio.Int16, 16000, 8, signalB), ""},
		"8 bits, then floats":         {chunksOf(audio.Uint8, 16000, 1, signalA), chunksOf(audio.Float32, 48000, 1, signalB), ""},
		"the same again":              {chunksOf(audio.Int24, 16000, 1, signalA), chunksOf(audio.Int24, 16000, 1, signalB), ""},
		"the second one is cut off":   {chunksOf(audio.Int16, 16000, 1, signalA), chunksOf(audio.Int16, 44100, 1, signalB)[:80000], scout.WarningCutOff},
		"the second one is ADPCM":     {chunksOf(audio.Int16, 16000, 1, signalA), adpcmChunks(40000), scout.WarningUnread},
		"less than a frame behind it": {join(chunksOf(audio.Int16, 16000, 1, signalA), chunksOf(audio.Int16, 8000, 2, signal{})), chunksOf(audio.Int16, 48000, 1, signalB), ""},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				content := append([]byte("RIFF\xff\xff\xff\xffWAVE"), join(test.first, test.second)...)
				binary.LittleEndian.PutUint32(content[4:], uint32(len(content)-8))
				var r *file.Reader
				var err error
				if stream {
					r, err = file.New(t.Context(), onlyReader{bytes.NewReader(content)}, "-", file.Options{FFmpeg: file.NoFFmpeg})
				} else {
					r, err = file.Open(t.Context(), write(t, "a.wav", content), file.Options{FFmpeg: file.NoFFmpeg})
				}
				if err != nil {
					t.Fatal(err)
				}
				defer closeReader(t, r)
				got, err := drain(r)
				if err != nil {
					t.Fatal(err)
				}
				want := timesOf(0.0, signalA, 2.0, signalB)
				if test.warning == scout.WarningUnread {
					want = timesOf(0.0, signalA)
				} else if test.warning != "" {
					want = timesOf(0.0, signalA, 2.0, signal{0, signalB.bursts[:2]})
				}
				info := r.Info()
				if found := burstsOf(got); !near(found, want) {
					t.Errorf("sounds at %.3f, want %.3f", found, want)
				}
				if len(info.Warnings) > 1 || len(info.Warnings) == 1 && info.Warnings[0].Code != test.warning || len(info.Warnings) == 0 && test.warning != "" {
					t.Errorf("warnings %q, want %q", messages(info.Warnings), test.warning)
				}
				if d := info.Duration.Seconds() - float64(len(got))/16000; d < -0.001 || d > 0.001 {
					t.Errorf("duration %v of %d samples", info.Duration, len(got))
				}
			})
		}
	}
}

// adpcmChunks are a format that is not read here and so many bytes of samples.
func adpcmChunks(size int) []byte {
	b := bytes.Clone(wavFile(audio.Int16, 16000, 1, make([]float32, size/2))[12:])
	binary.LittleEndian.PutUint16(b[8:], 2)
	return b
}

// Where channels are read one after the other, each part is in those that it has, and in no other.
func TestChannelsOfPartsWithDifferentLayouts(t *testing.T) {
	t.Parallel()
	right := signalB.samples(16000, 2)
	for i := 0; i < len(right); i += 2 {
		right[i] = 0
	}
	mono, stereo := wavOf(signalA, 16000, 1), wavFile(audio.Int16, 16000, 2, right)
	none := signal{}
	for name, test := range map[string]struct {
		content     []byte
		left, right []float64
	}{
		"mono, then the right channel": {join(mono, stereo), timesOf(0.0, signalA), timesOf(2.0, signalB)},
		"the right channel, then mono": {join(stereo, mono), timesOf(1.5, signalA), timesOf(0.0, signalB)},
		"mono twice":                   {join(mono, mono), timesOf(0.0, signalA, 2.0, signalA), timesOf(0.0, none)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "a.wav", test.content)
			for channel, want := range [][]float64{test.left, test.right} {
				got, info := readFile(t, path, file.Options{Channel: audio.Channel(channel + 1), ChannelAlone: true, Survey: true})
				if found := burstsOf(got); !near(found, want) {
					t.Errorf("channel %d: sounds at %.3f, want %.3f", channel+1, found, want)
				}
				if len(test.right) == 0 {
					continue
				}
				if info.Channels != 2 || len(info.Sounds) != 2 || info.Sounds[0].Silent || info.Sounds[1].Silent || info.Sounds[1].SameAs != 0 {
					t.Errorf("channel %d: %d channels, %+v", channel+1, info.Channels, info.Sounds)
				}
			}
		})
	}
}

// A track that was asked for is in every part, or the part is told.
func TestTrackThatALaterPartLacks(t *testing.T) {
	t.Parallel()
	two := contents(t, trackFile(t, "two.mka", []string{"300:1", "500:1"}, "-c:a", "flac"))
	_, info := readFile(t, write(t, "a", join(two, wavOf(signalA, 16000, 1))), file.Options{Track: file.TrackChoice{Number: 2}})
	if len(info.Warnings) != 1 || info.Warnings[0].Code != scout.WarningUnread {
		t.Errorf("warnings %q", messages(info.Warnings))
	}
}
