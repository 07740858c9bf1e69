import { useEffect, useState } from "react";
import { currentLanguage } from "@/lib/i18n";
import { spoken } from "@/lib/markdown/plain";

/** Whether the text is being read aloud, and how to begin or stop; null where the browser has no voice. */
export function useReadAloud(text: string): [boolean, (() => void) | null] {
  const [reading, setReading] = useState(false);
  const voice = globalThis.speechSynthesis as SpeechSynthesis | undefined;

  useEffect(() => {
    if (!reading) return;
    return () => voice?.cancel();
  }, [reading, voice]);

  if (voice === undefined || text === "") return [false, null];
  const toggle = () => {
    voice.cancel();
    if (reading) {
      setReading(false);
      return;
    }
    const utterance = new SpeechSynthesisUtterance(spoken(text));
    utterance.lang = currentLanguage();
    utterance.onend = () => setReading(false);
    utterance.onerror = () => setReading(false);
    voice.speak(utterance);
    setReading(true);
  };
  return [reading, toggle];
}
