import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isFull, useFull } from "@/features/chat/composer/useFull";
import { ApiError } from "@/lib/api/client";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const refusal = new ApiError(429, "capacity_exhausted", "Full.", "", null, 3);

test("only a refusal that passes by itself means that there is no room", () => {
  expect(isFull(refusal)).toBe(true);
  expect(isFull(new ApiError(503, "no_engine", "Away.", "", null, 5))).toBe(true);
  expect(isFull(new ApiError(503, "unreadable_error", ""))).toBe(false);
  expect(isFull(new ApiError(500, "bug", ""))).toBe(false);
  expect(isFull(new Error("other"))).toBe(false);
});

test("the wait counts down, and nothing is sent unless the person asked for it", () => {
  const send = vi.fn();
  const { result } = renderHook(() => useFull(send));
  act(() => void result.current.take(refusal));
  expect(result.current.leftS).toBeGreaterThan(2.9);
  act(() => void vi.advanceTimersByTime(5000));
  expect(result.current.leftS).toBe(0);
  expect(send).not.toHaveBeenCalled();
  act(() => result.current.clear());
  expect(result.current.error).toBeNull();
});

test("asked for, it is sent once when the time is over, and again after another refusal", () => {
  const send = vi.fn();
  const { result } = renderHook(() => useFull(send));
  act(() => void result.current.take(refusal));
  act(() => result.current.setAuto(true));
  act(() => void vi.advanceTimersByTime(5000));
  expect(send).toHaveBeenCalledTimes(1);
  act(() => void result.current.take(refusal));
  act(() => void vi.advanceTimersByTime(5000));
  expect(send).toHaveBeenCalledTimes(2);
  act(() => result.current.clear());
  expect(result.current.auto).toBe(false);
});
