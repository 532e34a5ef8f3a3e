"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useRouter } from "next/navigation";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Notice } from "@/components/shell/notice";
import { ProblemNotice } from "@/components/shell/problem";
import { SignInHelp } from "@/components/shell/sign-in-help";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { authKeys, openSession, readCode } from "@/services/auth";

/** The code leaves the address before anything else happens, so that it stays in no history and no screenshot. */
function takeCode(): string | null {
  const code = readCode(window.location.hash);
  if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
  return window.location.hash === "" && code ? code : null;
}

export function LoginPage() {
  const client = useQueryClient();
  const router = useRouter();
  const started = useRef(false);
  const [looked, setLooked] = useState(false);
  const login = useMutation({
    mutationFn: openSession,
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: authKeys.me });
      router.replace("/runs/");
    },
  });
  const { mutate } = login;
  useEffect(() => {
    if (started.current) return;
    started.current = true;
    const code = takeCode();
    if (code) mutate(code);
    setLooked(true);
  }, [mutate]);

  if (!looked || login.isPending || login.isSuccess) {
    return (
      <Notice icon={<KeyRound aria-hidden />} title="Signing in">
        <span role="status">One moment.</span>
      </Notice>
    );
  }
  return <SignIn error={login.error} submit={mutate} />;
}

function SignIn({ error, submit }: { error: Error | null; submit: (code: string) => void }) {
  return (
    <>
      {error && <ProblemNotice error={error} className="mx-auto mt-6 max-w-lg" />}
      <Notice icon={<KeyRound aria-hidden />} title={error ? "Sign in with a new link" : "Sign in"}>
        <SignInHelp />
        <CodeForm submit={submit} />
      </Notice>
    </>
  );
}

function CodeForm({ submit }: { submit: (code: string) => void }) {
  const [wrong, setWrong] = useState(false);
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const code = readCode(String(new FormData(event.currentTarget).get("code") ?? ""));
    setWrong(code === null);
    if (code) submit(code);
  };
  return (
    <form onSubmit={onSubmit} className="mt-6 grid gap-1.5 text-left">
      <label htmlFor="code" className="text-foreground">
        Or paste the link or its code
      </label>
      <span className="flex gap-2">
        <Input
          id="code"
          name="code"
          autoComplete="off"
          spellCheck={false}
          required
          aria-invalid={wrong}
          aria-describedby="code-wrong"
        />
        <Button type="submit">Sign in</Button>
      </span>
      <span id="code-wrong" role="status" className="text-failed">
        {wrong && "This is neither a sign-in link nor its code."}
      </span>
    </form>
  );
}
