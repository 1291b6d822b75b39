import { Component, type ComponentChildren } from "preact";
import { ErrorState } from "../ui/feedback.tsx";

interface BoundaryState {
  readonly error: unknown;
}

/** Keeps a page's mistake from taking the whole screen with it. */
export class Boundary extends Component<{ children: ComponentChildren }, BoundaryState> {
  override state: BoundaryState = { error: undefined };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ error });
  }

  override render() {
    if (this.state.error === undefined) return this.props.children;
    return <ErrorState title="This page has a problem" error={this.state.error} onRetry={() => this.setState({ error: undefined })} />;
  }
}
