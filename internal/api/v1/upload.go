package v1

// Headers of uploads that became recordings.
const (
	HeaderRecording = "Scout-Recording"
	HeaderJob       = "Scout-Job"
)

// Upload is a file that a client sends.
type Upload struct {
	ID          string `json:"id"`
	Filename    string `json:"filename,omitempty" doc:"The name of the file, without its folder"`
	Offset      int64  `json:"offset" doc:"How many bytes are there"`
	Length      *int64 `json:"length,omitempty" doc:"How many there will be; absent until the client tells it"`
	Client      string `json:"client,omitempty" doc:"Whoever sends it; absent for the owner"`
	CreatedAt   Time   `json:"created_at" format:"date-time"`
	ExpiresAt   Time   `json:"expires_at" format:"date-time" doc:"When it is forgotten, if no further byte comes"`
	RecordingID string `json:"recording_id,omitempty" doc:"Of the recording that it has become"`
	JobID       string `json:"job_id,omitempty" doc:"Of the job that makes its text"`
}
