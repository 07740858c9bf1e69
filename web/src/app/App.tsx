import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ErrorBoundary } from "@/app/ErrorBoundary";
import { newQueryClient } from "@/app/queryClient";
import { Routes } from "@/app/Routes";
import { Toaster } from "@/components/ui/Toast";
import { TooltipProvider } from "@/components/ui/Tooltip";
import { followSystemTheme } from "@/lib/theme";

/** Everything around the pages: data, tooltips, toasts, and a last net for what breaks. */
export function App() {
  const [client] = useState(newQueryClient);
  useEffect(followSystemTheme, []);
  return (
    <ErrorBoundary>
      <QueryClientProvider client={client}>
        <TooltipProvider>
          <Routes />
          <Toaster />
        </TooltipProvider>
      </QueryClientProvider>
    </ErrorBoundary>
  );
}
