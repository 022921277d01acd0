// What connections have in common, with counts; each value filters by itself.
import { UnstyledButton } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';

import type { Facet } from '../../api/types';
import { type TextKey, useTexts } from '../../i18n';
import { asksFor, withValue } from '../../lib/filter';
import { host, visible } from '../../lib/text';
import en from '../../locales/en.json';
import styles from './facets.module.css';

interface Props {
  facets: Facet[];
  q: string;
  onFilter: (q: string) => void;
}

/** The catalogue of each key whose values are words. */
const WORDS = {
  state: 'state', protocol: 'protocol', reason: 'reason', initiator: 'initiator', result: 'handshake', tryout: 'tryout',
} as const satisfies Record<string, keyof typeof en.word>;

export function FacetList(props: Props) {
  const { t } = useTexts();
  const isBeside = useMediaQuery('(min-width: 1000px)', true, { getInitialValueInEffect: false });
  if (isBeside) return <aside className={styles.facets} aria-label={t('connections.facets')}><Lists {...props} /></aside>;
  return (
    <details className={styles.folded}>
      <summary>{t('connections.facets')}</summary>
      <Lists {...props} />
    </details>
  );
}

function Lists({ facets, q, onFilter }: Props) {
  const { t, format } = useTexts();
  const label = useLabel();
  return (
    <>
      {facets.filter((facet) => tells(facet, q)).map(({ key, values, others }) => (
        <section key={key} className={styles.facet}>
          <h2>{t(`connections.facet.${key}` as TextKey)}</h2>
          <ul>
            {values.map(({ value, count }) => {
              const isChosen = asksFor(q, key, value);
              return (
                <li key={value}>
                  <UnstyledButton className={styles.value} aria-pressed={isChosen} onClick={() => onFilter(withValue(q, key, isChosen ? null : value))}>
                    <bdi title={value}>{label(key, value)}</bdi>
                    <span>{format.count(count)}</span>
                  </UnstyledButton>
                </li>
              );
            })}
            {others > 0 && <li className={styles.others}><span>{t('connections.others')}</span><span>{format.count(others)}</span></li>}
          </ul>
        </section>
      ))}
    </>
  );
}

/** Whether there is something to choose; of the test page, once a connection is of it, or somebody has left those out. */
const tells = ({ key, values }: Facet, q: string): boolean =>
  values.some(({ value }) => key !== 'tryout' || value !== 'false' || asksFor(q, key, value));

function useLabel() {
  const { t } = useTexts();
  return (key: string, value: string): string => {
    const words = Object.hasOwn(WORDS, key) ? WORDS[key as keyof typeof WORDS] : null;
    if (words !== null && Object.hasOwn(en.word[words], value)) return t(`word.${words}.${value}` as TextKey);
    return visible(key === 'upstream' ? host(value) : value);
  };
}
