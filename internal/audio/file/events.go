package file

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	eventDecoderEnded    = "decoder_ended"
	eventDecoderReplaced = "decoder_replaced"
	eventDecoderStopped  = "decoder_stopped"
	eventTrackUnheard    = "track_unheard"
)
