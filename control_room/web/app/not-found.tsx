import { Compass } from "lucide-react";
import Link from "next/link";
import { Notice } from "@/components/shell/notice";
import { Button } from "@/components/ui/button";

export default function NotFound() {
  return (
    <Notice
      icon={<Compass aria-hidden />}
      title="There is no such page"
      actions={
        <Button asChild variant="outline">
          <Link href="/runs/">Go to the runs</Link>
        </Button>
      }
    >
      The address may have a typo. Runs are found by their number, as in /run/?id=42.
    </Notice>
  );
}
