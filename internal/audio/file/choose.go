package file

import (
	"bytes"
	"errors"
	"log/slog"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/wav"
)

// frameLeast is how much may stand before the first frame of a stream without a word: the end of another frame, as where a recorder of a
// broadcast began.
const frameLeast = 1500

// decoderFor recognises the input and returns its decoder.
func (r *Reader) decoderFor() (decoder, error) {
	if r.opts.Raw != nil {
		return newRaw(r.src, *r.opts.Raw), nil
	}
	what, err := r.src.sniff()
	if err != nil {
		return nil, err
	}
	r.start = r.src.pos()
	if r.src.destroyed > frameLeast {
		r.told = append(r.told, scout.Warnf(scout.WarningUnread, "%s at the beginning were not read: they are damaged", byteCount(r.src.destroyed)).From(0))
	}
	return r.decoderOf(what)
}

// decoderOf returns the decoder for the file that begins at the source's position.
func (r *Reader) decoderOf(what sniffed) (d decoder, err error) {
	r.stream.container = what.container
	defer r.recovered(&err)
	switch what.kind {
	case kindWAV:
		return r.wav(what)
	case kindFLAC:
		return r.flac(what)
	case kindVorbis:
		return r.vorbis(what)
	case kindMP3:
		return r.mp3(what)
	case kindText:
		return nil, scout.Errorf(scout.CodeAudioUnsupported, "it is text, not audio").
			WithHint("name a recording")
	case kindPlaylist:
		return nil, scout.Errorf(scout.CodeAudioUnsupported, "it is a list of files, not audio").
			WithHint("name the recordings that it lists")
	case kindFragment:
		return nil, scout.Errorf(scout.CodeAudioUnsupported, "it is a piece of a stream in %s without the beginning, which says what is in it", what.container).
			WithHint("put the beginning of the stream in front: cat BEGINNING PIECE > WHOLE")
	case kindFFmpeg:
		if what.container == "aiff" || what.container == "w64" {
			if d, err := r.pcm(what); d != nil || err != nil {
				return d, err
			}
		}
		if r.unfinished() {
			return r.early(what)
		}
		return r.ffmpeg(what)
	}
	switch {
	case r.unfinished():
		return nil, ErrUnfinished
	case r.src.path == "":
		return nil, errUnknownStream()
	case r.ffmpegPath() == "":
		return nil, errUnknownFile(false)
	}
	return r.ffmpeg(what)
}

// unfinished reports whether the first decoder is chosen, for a file that is still being written.
func (r *Reader) unfinished() bool { return r.opts.Unfinished && r.src.path == "" && r.decoder == nil }

// early decodes what is still being written, of formats whose complete files are ffmpeg's: it conceals damage better.
func (r *Reader) early(what sniffed) (decoder, error) {
	d, err := r.earlyOf(what)
	if _, damaged := errors.AsType[*damagedError](err); damaged {
		err = ErrUnfinished // ffmpeg may do better
	}
	return d, err
}

func (r *Reader) earlyOf(what sniffed) (d decoder, err error) {
	defer r.recovered(&err)
	if r.opts.Track.given() {
		return nil, ErrUnfinished
	}
	switch what.container {
	case "ogg":
		return newOpus(r.src)
	case "matroska", "webm":
		return newMatroska(r.src, what.container)
	case "aac":
		if frames, about, ok := newADTS(r.src); ok {
			return r.aac(frames, about)
		}
	case "mp4":
		frames, about, ok := newMP4(r.src)
		switch {
		case !ok:
		case frames.movie.opus != nil:
			return newMP4Opus(frames)
		default:
			return r.aac(frames, about)
		}
	}
	return nil, ErrUnfinished
}

// mp3 prefers ffmpeg, which conceals damage better and supports all versions and layers.
func (r *Reader) mp3(what sniffed) (decoder, error) {
	if r.unfinished() {
		d, err := newMP3(r.src)
		if errors.Is(err, errLayer) {
			err = ErrUnfinished
		}
		return d, err
	}
	if r.ffmpegPath() == "" {
		return r.mp3Here(what)
	}
	tag, header := peekMP3(r.src)
	start := r.src.pos()
	d, err := r.ffmpeg(what)
	if err == nil || r.ctx.Err() != nil || r.src.err != nil || r.src.temp != "" {
		if f, ok := d.(*ffmpegDecoder); ok {
			f.expect(tag, header)
		}
		return d, err
	}
	// A broken ffmpeg must not cost a file that can be read without it.
	r.opts.Log.Warn(eventDecoderReplaced, slog.String("error", err.Error()))
	if seekErr := r.src.seek(start); seekErr != nil {
		return nil, errors.Join(err, seekErr)
	}
	d, hereErr := r.mp3Here(what)
	if hereErr != nil {
		return nil, err
	}
	return d, nil
}

// mp3Here decodes without ffmpeg.
func (r *Reader) mp3Here(what sniffed) (decoder, error) {
	d, err := newMP3(r.src)
	if errors.Is(err, errLayer) {
		return nil, missing(what.container, err)
	}
	return d, err
}

// flac decodes in this process, with one exception: at 24 and 176.4 kHz the library writes a line to the standard
// logger for every frame, which nobody should see.
func (r *Reader) flac(what sniffed) (decoder, error) {
	if rate := flacRate(r.src); (rate == 24000 || rate == 176400) && r.src.path != "" && r.ffmpegPath() != "" {
		return r.ffmpeg(what)
	}
	d, err := newFLAC(r.src)
	return r.orFFmpeg(what, d, err)
}

// orFFmpeg lets ffmpeg try a file whose header is refused here; if it fails too, the first error counts.
func (r *Reader) orFFmpeg(what sniffed, d decoder, err error) (decoder, error) {
	if err == nil || r.src.err != nil || r.src.path == "" || r.ffmpegPath() == "" {
		return d, err
	}
	if d, ffmpegErr := r.ffmpeg(what); ffmpegErr == nil {
		return d, nil
	}
	return nil, err
}

// wav decodes in this process, unless the samples are compressed.
func (r *Reader) wav(what sniffed) (decoder, error) {
	head, _ := r.src.buf.Peek(sniffLook) // an error is an end, or comes back with the next read
	if _, err := wav.NewReader(bytes.NewReader(head)); errors.Is(err, wav.ErrCodec) {
		if r.ffmpegPath() == "" {
			return nil, missing(what.container, err)
		}
		return r.ffmpeg(what)
	}
	return newWAV(r.src)
}

func missing(container string, cause error) error {
	if cause != nil {
		return scout.Errorf(scout.CodeDecoderMissing, "%s needs ffmpeg, which is not installed: %w", container, cause)
	}
	return scout.Errorf(scout.CodeDecoderMissing, "%s needs ffmpeg, which is not installed", container)
}
