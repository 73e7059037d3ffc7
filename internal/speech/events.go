package speech

// Log events of this package, listed in docs/formats/log-events.md. Names are never renamed.
const (
	EventTranscriptionStarted  = "transcription_started"
	EventTranscriptionFinished = "transcription_finished"
	EventTranscriptionFailed   = "transcription_failed"
	EventPieceSetAside         = "piece_set_aside"
	EventPieceDecodedAgain     = "piece_decoded_again"
	EventTextLost              = "text_lost"
)
