package agent

import "context"

type finishTaskInput struct {
	Summary string `json:"summary" jsonschema:"minLength=1,maxLength=16000" jsonschema_description:"What you changed; what you saw pass and by which tool; what you did not verify; what the next role should know."`
}

func finishTask(_ context.Context, _ Env, in finishTaskInput) (Outcome, error) {
	return Outcome{Content: "The task is handed over.", Effect: Finish(in)}, nil
}
