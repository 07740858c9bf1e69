import { BANDS } from "@/features/admin/capacity/types";
import type { Band, PoolFigures } from "@/lib/api/types";

export interface PoolBar {
  segments: { band: Band; slots: number }[];
  running: number;
  /** Slots that are kept for a band and that it does not use now. */
  kept: number;
  /** Free for anybody. */
  idle: number;
}

/** What a pool's bar shows; nothing in it is ever wider than the pool. */
export function poolBar({ slots, running, reserved }: PoolFigures): PoolBar {
  const segments = BANDS.flatMap((band) => {
    const held = running[band] ?? 0;
    return held > 0 ? [{ band, slots: held }] : [];
  });
  const total = segments.reduce((sum, each) => sum + each.slots, 0);
  const wanted = BANDS.reduce(
    (sum, band) => sum + Math.max(0, (reserved[band] ?? 0) - (running[band] ?? 0)),
    0,
  );
  const free = Math.max(0, slots - total);
  const kept = Math.min(free, Math.round(wanted));
  return { segments, running: total, kept, idle: free - kept };
}
