/** Calls `draw` at most once a frame, however often it is asked; four times a second in a hidden tab. */
export class FrameBatch {
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly draw: () => void) {}

  ask(): void {
    if (this.frame !== 0 || this.timer !== undefined) return;
    if (document.visibilityState === "hidden") this.timer = setTimeout(this.now, 250);
    else this.frame = requestAnimationFrame(this.now);
  }

  readonly now = (): void => {
    this.cancel();
    this.draw();
  };

  cancel(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = 0;
    this.timer = undefined;
  }
}
