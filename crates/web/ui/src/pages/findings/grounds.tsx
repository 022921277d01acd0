// What a finding stands on: evidence, what helps, what would make it wrong.
import type { ReactNode } from 'react';

import type { Finding } from '../../api/findings';
import type { Sentence } from '../../api/types';
import { Copy } from '../../components/copy';
import { Empty, Panel } from '../../components/panel';
import { useTexts } from '../../i18n';
import { visible } from '../../lib/text';
import styles from './detail.module.css';

/** `suffix` tells the panels of several findings of one page apart. */
export function Grounds({ finding, suffix = '' }: { finding: Finding; suffix?: string }) {
  const { t } = useTexts();
  const labelOf = (title: 'findings.evidence' | 'findings.fix' | 'findings.wrongIf') =>
    (suffix === '' ? undefined : t('findings.of', { title: t(title), finding: visible(finding.title) }));
  return (
    <div className={styles.columns}>
      <Panel id={`evidence${suffix}`} title={t('findings.evidence')} label={labelOf('findings.evidence')} help={t('findings.evidenceHelp')}>
        <Sentences of={finding.evidence} empty={t('findings.noEvidence')} />
      </Panel>
      <Panel id={`fix${suffix}`} title={t('findings.fix')} label={labelOf('findings.fix')}>
        {finding.fixes.length === 0 ? <Empty>{t('findings.noFix')}</Empty> : (
          <ol className={styles.sentences}>
            {finding.fixes.map(({ text, config }, index) => (
              <li key={index}>
                <bdi>{visible(text)}</bdi>
                {config !== null && <Lines text={config} />}
              </li>
            ))}
          </ol>
        )}
      </Panel>
      <Panel id={`wrong-if${suffix}`} title={t('findings.wrongIf')} label={labelOf('findings.wrongIf')} help={t('findings.wrongIfHelp')}>
        <Sentences of={finding.not_excluded} empty={t('findings.allExcluded')} />
        {finding.against.length > 0 && <Part title={t('findings.against')}><Sentences of={finding.against} /></Part>}
        {finding.next_measurement !== null && (
          <Part title={t('findings.next')}><Sentences of={[finding.next_measurement]} /></Part>
        )}
      </Panel>
    </div>
  );
}

function Sentences({ of, empty }: { of: Sentence[]; empty?: string }) {
  if (of.length === 0) return <Empty>{empty}</Empty>;
  return <ul className={styles.sentences}>{of.map(({ text }, index) => <li key={index}><bdi>{visible(text)}</bdi></li>)}</ul>;
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <>
      <h3 className={styles.part}>{title}</h3>
      {children}
    </>
  );
}

/** Lines to paste. */
function Lines({ text }: { text: string }) {
  const { t } = useTexts();
  return (
    <div className={styles.lines}>
      <pre tabIndex={0}>{text}</pre>
      <Copy value={text}>{t('findings.copyFix')}</Copy>
    </div>
  );
}
