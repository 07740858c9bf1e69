/** What is wrong with a form as a whole; announced when it appears. */
export function FormNote({ text }: { text: string | null }) {
  if (text === null) return null;
  return (
    <p role="alert" className="rounded-xl bg-bad-soft px-3.5 py-2.5 text-sm text-bad">
      {text}
    </p>
  );
}
