export const sidebar = {
  label: "Conversations",
} as const;
