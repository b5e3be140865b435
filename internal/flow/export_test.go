package flow

import "context"

// Creation runs the job by which creating a change takes effect as the decision
// on its G0.
func (f *Flow) Creation(ctx context.Context, projectID, changeID string) error {
	return f.creation(ctx, creationJob{Project: projectID, Change: changeID})
}

// MaxRepairs is maxRepairs.
const MaxRepairs = maxRepairs
