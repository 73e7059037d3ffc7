package file_test

import (
	"bytes"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/testrun"
)

// notAudio are muxers of ffmpeg that write no file with sound that could be read back: devices, networks, lists, sums, pictures,
// subtitles.
const notAudio = " a64 alsa amv apng ass avif avm2 avs2 avs3 bit caca cavsvideo chromaprint codec2raw crc dash dirac dnxhd fbdev ffmetadata fifo " +
	"fifo_test film_cpk filmstrip fits framecrc framehash framemd5 g722 g723_1 g726 g726le gif h261 h263 h264 hash hds hevc hls ico image2 image2pipe " +
	"ivf jacosub lrc m4v md5 microdvd mjpeg mkvtimestamp_v2 mpeg1video mpeg2video mpjpeg null obu opengl oss pulse rawvideo roq rtp rtp_mpegts rtsp " +
	"sap scc sdl segment smoothstreaming srt stream_segment streamhash sup tee ttml uncodedframecrc vc1 vc1test video4linux2 webm_chunk " +
	"webm_dash_manifest webp webvtt xv yuv4mpegpipe data ilbc amr daud ipod psp f4v "

// headerless are formats that do not say what they are: raw samples, and codecs without a mark that is not met by chance. They are
// refused.
const headerless = " alaw aptx aptx_hd dfpwm f32be f32le f64be f64le mulaw rso s16be s16le s24be s24le s32be s32le s8 u16be u16le u24be u24le u32be " +
	"u32le u8 vidc wsaud asf_stream "

// eachContainer are those that make test tries: the containers that people have, each kind of raw samples, and the rarest. make fuzz tries all.
const eachContainer = " 3gp ac3 adts aiff alaw asf avi caf dts flac flv gxf latm matroska mmf mov mp3 mpegts mxf ogg opus rm s16le sox spx swf tta voc vob " +
	"w64 wav webm wtv wv "

// muxerArgs are what a muxer needs beside the sound.
func muxerArgs(muxer string) []string {
	picture := []string{"-f", "lavfi", "-i", "testsrc=s=720x576:r=25:d=1.5", "-ar", "48000", "-ac", "2", "-shortest"}
	switch muxer {
	case "alp":
		return []string{"-ar", "22050"}
	case "mmf", "gsm", "codec2":
		return []string{"-ar", "8000"}
	case "swf":
		return []string{"-ar", "44100", "-ac", "2"}
	case "dv", "mxf":
		return picture
	case "3gp", "3g2": // whose own codec is AMR, which Debian's ffmpeg does not write
		return []string{"-c:a", "aac"}
	}
	return []string{"-vn"}
}

// noEncoder are those for whose only codec Debian's ffmpeg has no encoder, or that want a picture of one kind in front of the sound.
const noEncoder = " oma argo_cvg mxf_d10 "

// muxed returns a function that gives the sound as a muxer of the list writes it, or what ffmpeg says against it. One process writes most
// of them, since each start takes a tenth of a second.
func muxed(t *testing.T, sound []byte, muxers []string) func(t *testing.T, muxer string) ([]byte, error) {
	t.Helper()
	arguments := func(muxer string) string {
		return strings.Join(muxerArgs(muxer), " ") + " -strict -2 -f " + muxer + " x"
	}
	var together []string
	for _, muxer := range muxers {
		if !slices.Contains(muxerArgs(muxer), "lavfi") && !strings.Contains(noEncoder, " "+muxer+" ") {
			together = append(together, arguments(muxer))
		}
	}
	made := encodings(t, sound, together...)
	return func(t *testing.T, muxer string) ([]byte, error) {
		if content := made[arguments(muxer)]; len(content) > 0 {
			return content, nil
		}
		path := filepath.Join(t.TempDir(), "x")
		args := append([]string{"-nostdin", "-loglevel", "error", "-y", "-i", write(t, "in.wav", sound)}, muxerArgs(muxer)...)
		if said, err := exec.Command("ffmpeg", append(args, "-strict", "-2", "-f", muxer, "file:"+path)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return contents(t, path), nil
	}
}

// Whatever ffmpeg can write with sound in it is read, from a file as from a stream of each container: every sound at its time. What does not say what
// it is is refused in one line.
func TestEveryFormatThatFFmpegWrites(t *testing.T) {
	t.Parallel()
	ffmpeg := needFFmpeg(t)
	answer, err := exec.Command(ffmpeg, "-hide_banner", "-muxers").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(answer), "--\n")
	var muxers []string
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		muxer, _, _ := strings.Cut(fields[1], ",")
		if !strings.Contains(notAudio, " "+muxer+" ") {
			muxers = append(muxers, muxer)
		}
	}
	if !testrun.EveryCase() {
		muxers = slices.DeleteFunc(muxers, func(muxer string) bool { return !strings.Contains(eachContainer, " "+muxer+" ") })
	}
	if len(muxers) < 20 {
		t.Errorf("ffmpeg named %d muxers", len(muxers))
	}
	made := muxed(t, wavOf(signalA, 48000, 1), muxers)
	var streamed sync.Map // by container: several muxers write the same one
	for _, muxer := range muxers {
		t.Run(muxer, func(t *testing.T) {
			t.Parallel()
			content, err := made(t, muxer)
			if err != nil {
				t.Skipf("this ffmpeg does not write sound in it: %v", err)
			}
			if strings.Contains(headerless, " "+muxer+" ") {
				_ = refuses(t, content)
				return
			}
			got, info := readFile(t, write(t, "x", content), file.Options{}) // no ending: the content decides
			if muxer == "codec2" {                                           // which knows voices and no tones
				if seconds := float64(len(got)) / 16000; math.Abs(seconds-signalA.seconds) > 0.1 {
					t.Errorf("%.3f s", seconds)
				}
			} else if found := burstsOf(got); !near(found, timesOf(0.0, signalA)) && !late(found, signalA) || len(info.Warnings) > 0 {
				t.Errorf("sounds at %.3f, warnings %q", found, messages(info.Warnings))
			}
			if _, done := streamed.LoadOrStore(info.Container, true); done {
				return
			}
			stream, err := openStream(t, content, file.Options{})
			if err != nil {
				t.Fatal(err)
			}
			again, err := drain(stream)
			closeReader(t, stream)
			if err != nil || !slices.Equal(got, again) {
				t.Errorf("from a stream: %d samples and %v, from the file %d", len(again), err, len(got))
			}
		})
	}
}

// late tells whether the times are those of the signal behind the delay of a codec that its container does not tell.
func late(found []float64, s signal) bool {
	if len(found) != len(s.bursts) {
		return false
	}
	const most = 0.1
	delay := found[0] - s.bursts[0]
	for i := range found {
		if math.Abs(found[i]-s.bursts[i]-delay) > 0.01 {
			return false
		}
	}
	return delay > 0 && delay < most
}

func openStream(t *testing.T, content []byte, opts file.Options) (*file.Reader, error) {
	t.Helper()
	return file.New(t.Context(), onlyReader{bytes.NewReader(content)}, "standard input", opts)
}

// refuses wants an input to be refused in one line with a hint, from a file and from a stream, and returns what is said about the file.
func refuses(t *testing.T, content []byte) error {
	t.Helper()
	r, err := file.Open(t.Context(), write(t, "x", content), file.Options{})
	if err == nil {
		closeReader(t, r)
	}
	plainRefusal(t, err)
	r, streamErr := openStream(t, content, file.Options{})
	if streamErr == nil {
		closeReader(t, r)
	}
	plainRefusal(t, streamErr)
	return err
}

// plainRefusal wants one line and a hint in plain words, none of them ffmpeg's.
func plainRefusal(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("it was read")
		return
	}
	if code := scout.CodeOf(err); code != scout.CodeAudioUnsupported && code != scout.CodeAudioCorrupt && code != scout.CodeAudioEmpty {
		t.Errorf("code %s: %v", code, err)
	}
	if scout.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
	plainWords(t, err.Error())
}

// plainWords are those of one line without ffmpeg's.
func plainWords(t *testing.T, text string) {
	t.Helper()
	for _, raw := range []string{"\n", "ffmpeg:", "Invalid data", "@ 0x", "moov", "Error while", "[", "exit status 1 ", "demux", "pipe:", "subfile", ".audio", "header failed"} {
		if strings.Contains(text, raw) {
			t.Errorf("%q in %q", raw, text)
		}
	}
}

// Refusals are one line each, in plain words, and say what to do.
func TestRefusalsAreInPlainWords(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	cut := func(args string, share float64) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			content := m.of(t, signalA, args)
			return content[:int(share*float64(len(content)))]
		}
	}
	rubbish := func(args string, keep int) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			content := m.of(t, signalA, args)
			for i := keep; i < len(content); i++ {
				content[i] = byte(i*i*7>>3) ^ byte(i>>2)
			}
			return content
		}
	}
	behind := func(args, mark string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			content := m.of(t, signalA, args)
			at := bytes.Index(content[8:], []byte(mark))
			if at < 0 {
				t.Fatalf("no %q in it", mark)
			}
			return content[8+at:]
		}
	}
	text := func(s string) func(*testing.T) []byte { return func(*testing.T) []byte { return []byte(s) } }
	for name, c := range map[string]struct {
		content func(t *testing.T) []byte
		says    string
	}{
		"MP4 without its index":           {cut(m4a48k, 0.6), "its index is missing"},
		"MP4 of rubbish":                  {rubbish(m4a48k, 40), "damaged mp4"},
		"WebM of rubbish":                 {rubbish(webm, 60), "damaged webm"},
		"Opus of rubbish":                 {rubbish(opus, 60), "damaged ogg"},
		"WMA of rubbish":                  {rubbish(wma, 60), "damaged asf"},
		"FLV of rubbish":                  {rubbish(flv, 13), ""},
		"SoX of nothing":                  {text(".SoX\x1c\x00\x00\x00"), "damaged sox"},
		"WTV of nothing":                  {text("\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d\x00\x00"), "damaged wtv"},
		"a WebM cluster without a header": {behind(webm, "\x1fC\xb6u"), "a piece of a stream in WebM"},
		"an Ogg page from the middle":     {behind(opus, "OggS\x00\x00"), "a piece of a stream in Ogg"},
		"an MP4 fragment":                 {func(t *testing.T) []byte { b := behind(m4aFrag, "moof")(t); return join([]byte("\x00\x00\x00\x64"), b) }, "a piece of a stream in MP4"},
		"text":                            {text("Dear diary, this is not a recording.\n"), "it is text"},
		"a playlist":                      {text("#EXTM3U\n#EXTINF:9,\nsegment.ts\n"), "a list of files"},
		"a picture":                       {text("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01"), "not a known audio format"},
		"a document":                      {text("PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00"), "not a known audio format"},
		"a database":                      {text("SQLite format 3\x00\x10\x00"), "not a known audio format"},
		"two bytes":                       {text("\x00\x01"), "not a known audio format"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := refuses(t, c.content(t)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: want %q", err, c.says)
			}
		})
	}
}

// Files of cameras and discs have a time before each packet of the transport stream.
func TestTransportStreamsOfCameras(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	one, two := m.of(t, signalA, m2ts), m.of(t, signalB, m2ts)
	for name, c := range map[string]struct {
		content []byte
		want    []float64
	}{
		"whole":                {one, timesOf(0.0, signalA)},
		"cut at any byte":      {one[101:], timesOf(0.0, signalA)},
		"one behind the other": {join(one, two), timesOf(0.0, signalA, 2.02, signalB)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := openStream(t, c.content, file.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer closeReader(t, r)
			got, err := drain(r)
			if found := burstsOf(got); err != nil || len(found) != len(c.want) || math.Abs(found[len(found)-1]-c.want[len(c.want)-1]) > 0.1 {
				t.Errorf("sounds at %.3f, want %.3f; %v, %q", found, c.want, err, messages(r.Info().Warnings))
			}
		})
	}
}
