package speech

import (
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

type metrics struct {
	duration *metric.HistogramVec
	errors   *metric.CounterVec
	words    *metric.CounterVec
	audio    *metric.CounterVec
	aside    *metric.CounterVec
	again    *metric.CounterVec
	rescued  *metric.CounterVec
	warnings *metric.CounterVec
	votes    *metric.CounterVec
}

func newMetrics(s observe.Scope) *metrics {
	return &metrics{
		duration: observe.Register(s, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_transcription_duration_seconds", Help: "Time of one finished transcription.",
			Buckets: observe.LatencyBuckets(),
		}, []string{"kind", "model"})),
		errors: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_transcription_errors_total", Help: "Failed attempts to transcribe, by error code.",
		}, []string{"kind", "code"})),
		words: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_words_transcribed_total", Help: "Words of final texts; a word counts once.",
		}, []string{"kind"})),
		audio: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_audio_transcribed_seconds_total", Help: "Length of audio that became text.",
		}, []string{"kind"})),
		aside: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_pieces_set_aside_total", Help: "Pieces of audio left out because they could not be decoded.",
		}, []string{"code"})),
		again: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_pieces_decoded_again_total", Help: "Pieces of audio that were decoded again, by reason.",
		}, []string{"reason"})),
		rescued: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_pieces_rescued_total", Help: "Short pieces of audio whose first text was doubtful and that were decoded in another way, by the reason of the doubt.",
		}, []string{"reason"})),
		warnings: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_transcript_warnings_total", Help: "Warnings in finished transcripts, by code.",
		}, []string{"code"})),
		votes: observe.Register(s, metric.NewCounterVec(metric.Opts{
			Name: "scout_word_votes_total", Help: "Differences between the fast and the accurate model in which the fast one was sure, by whose words were taken: fast, accurate, failed (nobody could tell).",
		}, []string{"result"})),
	}
}
